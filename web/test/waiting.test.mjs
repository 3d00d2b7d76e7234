// What a waiting job says of its place and of when it starts and ends, and where it cannot, why: on the pages and by
// the command line, of one server.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { launch, noBrowser, openContext } from './lib/browser.mjs';
import { startServer } from './lib/server.mjs';
import { eventually } from './lib/until.mjs';

const skip = noBrowser();
const run = promisify(execFile);
const stint = fileURLToPath(new URL('../../bin/stint', import.meta.url));

let server;
let browser;
let opened;

before(async () => {
  if (skip) return;
  server = await startServer({ flags: ['--cpus', '1', '--grace', '1s'], prepare });
  browser = await launch();
  opened = await openContext(browser, server);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

// A service whose jobs have no time limit, and a cluster that cannot be reached.
async function prepare({ folder }) {
  const services = path.join(folder, 'services');
  await mkdir(path.join(services, 'Hold'), { recursive: true });
  await writeFile(path.join(services, 'Hold', 'service.yaml'), 'label: Hold\ncommand: [run]\n');
  await writeFile(path.join(services, 'Hold', 'run'), '#!/bin/sh\nexec sleep 600\n');
  await chmod(path.join(services, 'Hold', 'run'), 0o755);
  const file = path.join(folder, 'stintd.yaml');
  const none = path.join(folder, 'unreachable');
  await writeFile(none, '#!/bin/sh\necho "error: Unable to contact slurm controller (connect failure)" >&2\nexit 1\n');
  await chmod(none, 0o755);
  const commands = ['sbatch', 'squeue', 'sacct', 'scancel', 'scontrol'].map((name) => `${name}: ${none}`).join(', ');
  await writeFile(file, `clusters:\n  hpc:\n    commands: {${commands}}\n`);
  return ['--services', services, '--config', file];
}

const submit = (job = {}) => server.submit({ service: 'Hold', ...job });

// says finds words on the page of a job, in the details beside the list, and in `stint get`.
async function says({ id }, ...words) {
  const page = await opened.page(`jobs/${id}`);
  for (const text of words) await page.locator('stint-job-page').getByText(text).first().waitFor();
  await page.goto(new URL(`jobs?search=Hold-${id}`, server.url).href);
  await page
    .locator('[role=row]')
    .filter({ hasText: `Hold-${id}` })
    .first()
    .click();
  if (!(await page.locator('stint-job-details').isVisible())) await page.locator('[data-action=details]').click();
  const details = page.locator('stint-job-details');
  for (const text of words) await details.getByText(text).first().waitFor();
  await page.close();
  await eventually(async () => {
    const { stdout } = await run(stint, ['get', id], {
      env: { ...process.env, STINT_SERVER: `127.0.0.1:${server.port}` },
    });
    return words.every((text) => (text instanceof RegExp ? text.test(stdout) : stdout.includes(text)));
  }, `stint get says ${words}`);
}

const tooFew = /0 jobs of Hold like it have completed, and it takes 20/;

test('a waiting job says why it is not known when it starts or ends', { skip }, async () => {
  const first = await submit({ resources: { timeLimit: '3600s' } });
  await says(first, tooFew);
  const next = await submit();
  // Behind one with a time limit there is a place and a start, and how sure that is.
  await says(next, /it is next/, /9 in 10 such/, tooFew);
  // Behind one without, there is a place alone.
  const last = await submit();
  await says(last, /1 job of 1 user/, /not known how long they take: they have no time limit, and too few like them/);
  const away = await submit({ executor: 'hpc' });
  await says(away, /executor cannot be reached at the moment/);
});

test('a job that is held says by what', { skip }, async () => {
  await server.kill();
  server.flags.push('--min-free-space', '1000P');
  await server.start();
  const { jobs } = await server.call('GET', 'v1/jobs?filter=state%20%3D%20STATE_QUEUED');
  const waits = jobs.find((job) => job.executor === 'local');
  assert.ok(waits, 'a job waits');
  await says(waits, /No job starts at the moment, so it cannot be said when this one does/);
});
