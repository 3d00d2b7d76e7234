// Makes a module of the pages loadable here, as the browser gets it.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'vite';

const web = fileURLToPath(new URL('../..', import.meta.url));

/** Imports modules below src/ as one. What they share is there once. */
export async function importSource(...files) {
  const outDir = await mkdtemp(path.join(tmpdir(), 'stint-web-module-'));
  await build({
    root: web,
    configFile: false,
    logLevel: 'silent',
    publicDir: false,
    build: {
      outDir,
      target: 'es2022',
      minify: false,
      lib: {
        entry: Object.fromEntries(files.map((file, i) => [`module${i}`, path.join(web, 'src', file)])),
        formats: ['es'],
      },
    },
  });
  const modules = [];
  for (const i of files.keys()) modules.push(await import(pathToFileURL(path.join(outDir, `module${i}.js`)).href));
  await rm(outDir, { recursive: true });
  return Object.assign({}, ...modules);
}
