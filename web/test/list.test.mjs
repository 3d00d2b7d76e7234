// The list of jobs says what is so: its banner, its counts, its selection, its columns.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, noBrowser, openContext } from './lib/browser.mjs';
import { rowIds } from './lib/jobs-page.mjs';
import { startServer } from './lib/server.mjs';
import { eventually, until } from './lib/until.mjs';

const skip = noBrowser();
let server;
let browser;

before(async () => {
  if (skip) return;
  server = await startServer({ flags: ['--cpus', '2', '--grace', '1s'] });
  browser = await launch();
  const date = (outputName) => ({ service: 'Date', outputName });
  await server.submitMany(Array.from({ length: 10 }, (_, i) => date(`names ${i}`)));
  await eventually(
    async () => (await server.call('GET', 'v1/jobs:summarize')).summary.total.completed === '10',
    'ten jobs have ended',
  );
  const sleep = (i) => ({ service: 'Sleep', outputName: `replicate ${i}`, parameters: { sleep_time: 900 } });
  await server.submitMany(Array.from({ length: 700 }, (_, i) => sleep(i)));
  await settled();
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

// Both processors are taken by jobs that stay, so that the numbers stay as they are.
const settled = () =>
  eventually(async () => (await server.call('GET', 'v1/jobs:summarize')).summary.total.running === '2', 'two jobs run');

const chips = (page) =>
  page
    .locator('.chip')
    .evaluateAll((all) =>
      Object.fromEntries(all.map((c) => [c.dataset.state ?? 'all', c.querySelector('b').textContent])),
    );

test('jobs that do not match leave the list alone; one that matches is in it', { skip }, async () => {
  const open = await openContext(browser, server);
  const asked = [];
  open.context.on('request', (r) => r.url().includes('filter=') && asked.push(decodeURIComponent(r.url())));
  const page = await open.page('jobs?q=names&sort=output_name');
  await until(async () => (await rowIds(page)).length, 10);
  await page.getByText('Live', { exact: true }).waitFor();
  // Jobs with higher ids than all rows, old ones that change and new ones: none of them is in this list.
  const { jobs } = await server.call('GET', 'v1/jobs?filter=state%20=%20RUNNING');
  await server.call('POST', `v1/jobs/${jobs[0].id}:cancel`, {});
  await server.finished(jobs[0].id);
  const other = await server.submit({ service: 'Date', outputName: 'something else' });
  await eventually(
    () => asked.some((url) => url.includes(`id = ${other.id}`.replaceAll(' ', '+'))),
    'the new job is asked about',
  );
  assert.ok(!asked.some((url) => url.includes(`id+=+${jobs[0].id})`)), 'an old one is not');
  assert.equal(await page.locator('.stale').count(), 0);
  await server.submit({ service: 'Date', outputName: 'names of another' });
  await page.locator('footer .stale').click();
  await until(async () => (await rowIds(page)).length, 11);
  await until(() => page.locator('.stale').count(), 0);
  await open.close();
});

test('the counts come with the rows, before the stream says anything', { skip }, async () => {
  const open = await openContext(browser, server);
  await open.context.route('**/v1/jobs:summarize*', () => {}); // never answered
  const page = await open.page('jobs?q=replicate');
  await page.locator('.row').first().waitFor();
  await until(async () => (await chips(page)).all, '700');
  await open.close();
});

test('all that match can be selected, however many are loaded, and it is said how many', { skip }, async () => {
  await settled(); // the test before ended one that ran
  const open = await openContext(browser, server, { locale: 'en-US' });
  const page = await open.page('jobs?state=queued');
  await page.locator('.row').nth(5).waitFor();
  const foot = page.locator('stint-jobs-page footer');
  await page.getByLabel('Select all jobs').click();
  await foot
    .getByText(/^\d+ selected/)
    .first()
    .waitFor();
  const loaded = Number((await foot.getByRole('status').innerText()).replace(/\D/g, ''));
  const { summary } = await server.call('GET', 'v1/jobs:summarize');
  const queued = Number(summary.total.queued);
  assert.ok(loaded < queued, `${loaded} of ${queued} are loaded`);
  await foot.getByRole('button', { name: `Select all ${queued} that match` }).click();
  await until(() => foot.getByRole('status').innerText(), `${queued} selected`);
  assert.equal(await foot.locator('[data-action=all]').count(), 0);
  assert.equal(new URL(page.url()).search, '?state=queued', 'the address stays short');

  // After a reload all of them are acted on, also those that no page of the list has.
  await page.reload();
  await until(() => foot.getByRole('status').innerText(), `${queued} selected`);
  await page.locator('[data-action=cancel][aria-disabled=false]').click();
  await page.getByRole('heading', { name: `Cancel ${queued} jobs?` }).waitFor();
  await page.getByRole('button', { name: `Cancel ${queued} jobs` }).click();
  await page.getByText(`${queued} jobs are cancelled.`).waitFor();
  await until(async () => (await server.call('GET', 'v1/jobs:summarize')).summary.total.queued, '0');
  await open.close();
});

test('the name opens the job, also with the middle button, and typing is one step back', { skip }, async () => {
  const open = await openContext(browser, server);
  const page = await open.page('jobs?q=names');
  const name = page.getByRole('link', { name: 'names 3' });
  const [tab] = await Promise.all([open.context.waitForEvent('page'), name.click({ button: 'middle' })]);
  await tab.waitForURL(/\/jobs\/\d+$/);
  await name.click();
  await page.waitForURL(/\/jobs\/\d+$/);
  await page.goBack();
  await name.waitFor();
  await page.goto(`${server.url}jobs`);
  const box = page.getByPlaceholder('Search name');
  for (const text of ['n', 'na', 'name', 'names 4']) {
    await box.fill(text);
    await page.waitForURL((url) => url.searchParams.get('q') === text);
  }
  await page.goBack();
  await page.waitForURL(`${server.url}jobs`);
  await open.close();
});

test("everybody's jobs are shown with their owners, whichever way one came", { skip }, async () => {
  const open = await openContext(browser, server);
  const page = await open.page('jobs?owner=*&state=completed');
  await page.locator('.row .cell.owner').first().waitFor();
  await page.locator('.header [data-column=owner]').waitFor();
  await page.goto(`${server.url}jobs?owner=*&columns=status,output_name`);
  await page.locator('.row .cell.owner').first().waitFor();
  await open.close();
});

test('scrolling leaves no nodes behind', { skip }, async () => {
  const open = await openContext(browser, server);
  const page = await open.page('jobs');
  await page.locator('.row').nth(10).waitFor();
  const nodes = () => page.locator('stint-job-table .space').evaluate((space) => space.childNodes.length);
  const scroll = async (to) => {
    await page.locator('stint-job-table .scroll').evaluate((el, top) => {
      el.scrollTop = top;
    }, to);
    await eventually(async () => {
      const [first] = await page
        .locator('stint-job-table .row')
        .evaluateAll((rows) => rows.map((r) => Number(r.getAttribute('aria-rowindex'))));
      return Math.abs(first * 36 - to) < 36 * 40;
    }, `rows at ${to}`);
  };
  await scroll(4000);
  const before = await nodes();
  for (let i = 0; i < 6; i++) for (const to of [8000, 12_000, 20_000, 9000, 0]) await scroll(to);
  await scroll(4000);
  assert.ok((await nodes()) <= before + 4, `${await nodes()} nodes, ${before} before`);
  await open.close();
});
