// A finished job says when it is deleted, lists warn before it, and its owner keeps it and takes that back.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { checkAccessible } from './lib/accessible.mjs';
import { launch, noBrowser, openContext } from './lib/browser.mjs';
import { startServer } from './lib/server.mjs';

const skip = noBrowser();
let server;
let browser;
let job;

before(async () => {
  if (skip) return;
  server = await startServer({ flags: ['--cpus', '1', '--grace', '1s', '--keep-for', 'completed=2d'] });
  browser = await launch();
  job = await server.submit({ service: 'Date', outputName: 'shortlived' });
  await server.finished(job.id);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

test('the list warns, and the job is kept and given back on its page', { skip }, async () => {
  const open = await openContext(browser, server);
  const list = await open.page('jobs');
  await list.getByText('ends in 2 days').waitFor();
  const page = await open.page(`jobs/${job.id}`);
  await page.getByText('in 2 days, with logs and results').waitFor();
  await page.getByRole('button', { name: 'Keep', exact: true }).click();
  await page.getByText('The job and its results are kept.').waitFor();
  await page.getByText('of the quota').waitFor();
  await checkAccessible(page, 'a job that is kept');
  const stored = await (await fetch(new URL(`v1/jobs/${job.id}`, server.url))).json();
  assert.ok(Number(stored.job.keptBytes) > 0 && stored.job.keepTime && !stored.job.expireTime);
  await page.getByRole('button', { name: 'Kept', exact: true }).click();
  await page.getByText('The job is deleted in 2 days.').waitFor();
  await page.getByText('in 2 days, with logs and results').waitFor();
  await page.goto(new URL('account', server.url).href);
  assert.match(await page.locator('tr[data-quota="kept_jobs"]').innerText(), /0\s+1,000/);
  await open.close();
});
