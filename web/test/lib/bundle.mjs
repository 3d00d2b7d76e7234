// Makes a module of the pages loadable here, as the browser gets it.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'vite';

const web = fileURLToPath(new URL('../..', import.meta.url));

/** Imports a module below src/. */
export async function importSource(file) {
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
      lib: { entry: path.join(web, 'src', file), formats: ['es'], fileName: 'module' },
    },
  });
  const module = await import(pathToFileURL(path.join(outDir, 'module.js')).href);
  await rm(outDir, { recursive: true });
  return module;
}
