// Builds what the server serves into internal/webui/dist: the pages, and the
// two files with fixed names that other sites load, indicator.js and watch-worker.js.
// Fails when one of them has grown over its budget.
import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'vite';

const web = fileURLToPath(new URL('..', import.meta.url));
const dist = path.resolve(web, '../internal/webui/dist');
// Built apart and put in place at the end: a compiler may be reading the folder.
const out = await mkdtemp(path.join(tmpdir(), 'stint-web-'));

// In bytes after gzip. A page is all that a browser loads before it shows something: the shell, the page and the styles.
const budgets = { 'indicator.js': 12_000, 'watch-worker.js': 6_000 };
const pageBudget = 120_000;

const entries = { indicator: 'src/indicator/main.ts', 'watch-worker': 'src/base/watch-worker.ts' };

// single builds one script without imports.
async function single(name, entry) {
  await build({
    root: web,
    configFile: false,
    logLevel: 'warn',
    build: {
      outDir: out,
      emptyOutDir: false,
      target: 'es2022',
      rollupOptions: {
        input: path.join(web, entry),
        // A worker that is no module is understood by more browsers.
        output: { format: name === 'watch-worker' ? 'iife' : 'es', entryFileNames: `${name}.js`, codeSplitting: false },
      },
    },
  });
}

// pageSize is what a browser loads for a page: the scripts and styles of the shell and of the page, and what they import at once.
async function pageSize(manifest, page) {
  const seen = new Set();
  const visit = (key) => {
    const chunk = manifest[key];
    if (!chunk || seen.has(chunk.file)) return;
    seen.add(chunk.file);
    for (const css of chunk.css ?? []) seen.add(css);
    for (const next of chunk.imports ?? []) visit(next);
  };
  visit('index.html');
  visit(page);
  const sizes = await Promise.all([...seen].map(gzipped));
  return sizes.reduce((a, b) => a + b, 0);
}

async function gzipped(file) {
  return gzipSync(await readFile(path.join(out, file)), { level: 9 }).length;
}

await build({
  root: web,
  configFile: path.join(web, 'vite.config.ts'),
  logLevel: 'warn',
  build: { outDir: out, emptyOutDir: true, manifest: 'manifest.json' },
});
const manifest = JSON.parse(await readFile(path.join(out, 'manifest.json'), 'utf8'));
await rm(path.join(out, 'manifest.json'));
for (const [name, entry] of Object.entries(entries)) await single(name, entry);

const sizes = [];
for (const [file, budget] of Object.entries(budgets)) {
  sizes.push({ what: file, size: await gzipped(file), budget });
}
for (const page of Object.keys(manifest).filter((key) => key.endsWith('/page.ts'))) {
  sizes.push({ what: path.dirname(page), size: await pageSize(manifest, page), budget: pageBudget });
}
let over = false;
for (const { what, size, budget } of sizes) {
  over ||= size > budget;
  console.log(
    `${what.padEnd(16)} ${String(size).padStart(7)} of ${budget} bytes gzip${size > budget ? '  OVER BUDGET' : ''}`,
  );
}
if (over) {
  process.exitCode = 1;
} else {
  const made = await readdir(out, { recursive: true });
  await cp(out, dist, { recursive: true });
  for (const name of await readdir(dist, { recursive: true })) {
    if (!made.includes(name) && name !== '.gitignore')
      await rm(path.join(dist, name), { recursive: true, force: true });
  }
}
await rm(out, { recursive: true });
