// The Job Status page: what it shows, what the address restores, what can be done.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, noBrowser, openContext } from './lib/browser.mjs';
import { rowIds, rowOf, selectRows } from './lib/jobs-page.mjs';
import { startServer } from './lib/server.mjs';
import { eventually, until } from './lib/until.mjs';

const skip = noBrowser();
let server;
let browser;
let opened;

before(async () => {
  if (skip) return;
  server = await startServer({ flags: ['--cpus', '2', '--grace', '1s'] });
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

async function open(at, options) {
  opened = await openContext(browser, server, options);
  return opened.page(at);
}

const date = (outputName, more = {}) => server.submit({ service: 'Date', outputName, ...more });
const sleep = (outputName, seconds, more = {}) =>
  server.submit({ service: 'Sleep', outputName, parameters: { sleep_time: seconds }, ...more });
const text = (page, selector) => page.locator(selector).innerText();
const chips = (page) =>
  page
    .locator('.chip')
    .evaluateAll((all) =>
      Object.fromEntries(all.map((c) => [c.dataset.state ?? 'all', c.querySelector('b').textContent])),
    );

test('shows jobs as they come and go, in place', { skip }, async () => {
  const page = await open('jobs');
  await page.getByText('No jobs yet').waitFor();
  const long = await sleep('long one', 600);
  await until(() => rowOf(page, long.id), { status: 'Running', name: 'long one', service: 'Sleep' });
  const other = await sleep('other one', 600);
  const third = await date('waits');
  await until(() => rowOf(page, third.id), { status: 'Queued', name: 'waits', service: 'Date' });
  assert.deepEqual(await rowIds(page), [third.id, other.id, long.id]);
  await until(() => chips(page), { all: '3', queued: '1', running: '2', completed: '0', failed: '0', cancelled: '0' });
  await page.locator(`[data-id="${long.id}"] [role=progressbar]`).waitFor();

  await server.call('POST', `v1/jobs/${long.id}:cancel`, { id: long.id });
  await until(() => rowOf(page, third.id), { status: 'Completed', name: 'waits', service: 'Date' });
  await until(() => rowOf(page, long.id), { status: 'Cancelled', name: 'long one', service: 'Sleep' });
  assert.deepEqual(await rowIds(page), [third.id, other.id, long.id], 'no row moved');
  await until(() => text(page, '.list footer span >> nth=0'), '3 jobs');

  await server.call('POST', `v1/jobs/${other.id}:cancel`, { id: other.id });
  await until(() => chips(page), { all: '3', queued: '0', running: '0', completed: '1', failed: '0', cancelled: '2' });
  await opened.close();
});

test('filters, sorts, and restores all of it from the address', { skip }, async () => {
  for (const name of ['banana', 'apple', 'cherry <b>pie'])
    await server.finished((await date(name, { labels: { project: 'fruit' } })).id);
  const page = await open('jobs');
  await page.locator('.row').first().waitFor();
  await page.locator('.chip.completed').click();
  await page.locator('stint-filter-bar').getByLabel('Service').selectOption('Date');
  await page.getByPlaceholder('Search name').fill('FRUIT');
  await page.waitForURL(/q=FRUIT/);
  const names = () => page.locator('.row .cell.output_name').allInnerTexts();
  await until(names, ['cherry <b>pie', 'apple', 'banana']);
  await until(() => chips(page), { all: '3', queued: '0', running: '0', completed: '3', failed: '0', cancelled: '0' });

  await page.getByRole('button', { name: 'Output name' }).click();
  await until(names, ['apple', 'banana', 'cherry <b>pie']);
  await page.getByRole('button', { name: 'Output name' }).click();
  await until(names, ['cherry <b>pie', 'banana', 'apple']);
  assert.equal(new URL(page.url()).search, '?state=completed&service=Date&q=FRUIT&sort=output_name&order=desc');

  await page.reload();
  await until(names, ['cherry <b>pie', 'banana', 'apple']);
  assert.equal(await page.getByPlaceholder('Search name').inputValue(), 'FRUIT');
  assert.equal(await page.locator('stint-filter-bar').getByLabel('Service').inputValue(), 'Date');
  assert.equal(await page.locator('.header [data-column=output_name]').getAttribute('aria-sort'), 'descending');

  await page.goBack();
  await until(names, ['apple', 'banana', 'cherry <b>pie']);
  await page.goBack();
  await until(names, ['cherry <b>pie', 'apple', 'banana']);

  await page.getByRole('button', { name: 'Clear' }).click();
  await eventually(async () => (await names()).length > 3, 'all jobs are shown again');
  await opened.close();
});

test('takes a filter as text, and says what the server has against one', { skip }, async () => {
  const page = await open('jobs');
  await page.getByRole('button', { name: 'Filter as text' }).click();
  const box = page.getByRole('textbox', { name: 'Filter as text' });
  await box.fill('labels.project = "fruit" AND (output_name = "*an*" OR output_name = "apple")');
  await box.press('Enter');
  const names = () => page.locator('.row .cell.output_name').allInnerTexts();
  await until(names, ['apple', 'banana']);
  await page.locator('.chip.failed').click();
  await page.getByText('No job matches').waitFor();
  assert.match(await box.inputValue(), /^\(labels.project .*\) AND state = FAILED$/);
  await page.getByRole('button', { name: 'Show all jobs' }).click();
  await page.locator('.row').first().waitFor();

  await box.fill('colour = "red"');
  await box.press('Enter');
  await page.getByRole('alert').getByText('which is no field').waitFor();
  await opened.close();
});

test('shows what was submitted on a day, by the days of the browser', { skip }, async () => {
  const page = await open('jobs');
  await page.locator('.row').first().waitFor();
  const count = (await rowIds(page)).length;
  await page.getByLabel('Time of submission').selectOption('Today');
  await page.waitForURL(/from=/);
  await until(async () => (await rowIds(page)).length, count);
  await page.getByLabel('Time of submission').selectOption('Between …');
  await page.getByLabel('Last day').fill('2020-02-01');
  await page.getByLabel('First day').fill('2020-01-01');
  await page.getByText('No job matches').waitFor();
  assert.match(page.url(), /from=2020-01-01&to=2020-02-01/);
  await opened.close();
});

test('columns are hidden, moved and resized, and the address and the device remember', { skip }, async () => {
  const page = await open('jobs');
  await page.locator('.row').first().waitFor();
  const columns = () => page.locator('.header [data-column]').evaluateAll((all) => all.map((c) => c.dataset.column));
  await page.getByRole('button', { name: 'Columns' }).click();
  await page.getByRole('checkbox', { name: 'Progress' }).uncheck();
  await page.getByRole('checkbox', { name: 'Elapsed' }).uncheck();
  await page.getByRole('checkbox', { name: 'Owner' }).check();
  await page.getByRole('button', { name: 'Move Owner towards the front' }).click();
  await page.keyboard.press('Escape');
  const wanted = ['status', 'id', 'service', 'output_name', 'submit', 'start', 'owner', 'complete'];
  await until(columns, wanted);

  const name = page.locator('.header [data-column=output_name]');
  const before = (await name.boundingBox()).width;
  const handle = await name.locator('.resize').boundingBox();
  await page.mouse.move(handle.x + 5, handle.y + 10);
  await page.mouse.down();
  await page.mouse.move(handle.x + 85, handle.y + 10, { steps: 4 });
  await page.mouse.up();
  await until(async () => Math.round((await name.boundingBox()).width - before), 80);

  await page
    .locator('.header [data-column=id]')
    .dragTo(page.locator('.header [data-column=status]'), { targetPosition: { x: 5, y: 10 } });
  wanted.splice(0, 2, 'id', 'status');
  await until(columns, wanted);
  assert.match(page.url(), /columns=id,status,service,output_name:\d+,submit,start,owner,complete/);

  const again = await opened.page('jobs');
  await again.locator('.row').first().waitFor();
  assert.deepEqual(
    await again.locator('.header [data-column]').evaluateAll((all) => all.map((c) => c.dataset.column)),
    wanted,
  );
  await opened.close();
});

test('cancels many, says what became of each, and only what makes sense can be done', { skip }, async () => {
  const done = await server.finished((await date('already over')).id);
  const running = [await sleep('to cancel 1', 600), await sleep('to cancel 2', 600)];
  const queued = await sleep('to cancel 3', 600);
  const page = await open('jobs');
  await eventually(async () => (await rowOf(page, queued.id))?.status === 'Queued', 'the last job waits');
  const action = (id) => page.locator(`[data-action=${id}]`);
  assert.equal(await action('view').getAttribute('aria-disabled'), 'true');
  // It stays reachable, to say why: that is not what Playwright takes for enabled.
  await action('cancel').click({ force: true });
  await page.getByText('Cancel: Select a job first.').waitFor();

  await selectRows(page, [done.id]);
  await until(() => action('cancel').getAttribute('title'), 'End jobs that wait or run – It has ended.');
  await selectRows(page, [done.id, queued.id, ...running.map((j) => j.id)]);
  await until(() => action('view').getAttribute('title'), 'See the job, its logs and results – Select one job only.');
  assert.doesNotMatch(page.url(), /selected=/, 'a selection is nobody else’s');
  await page.reload();
  await page.getByText('4 selected').waitFor();

  await action('cancel').click();
  const dialog = page.locator('stint-question');
  await dialog.getByText('1 job of the selection cannot be cancelled any more.').waitFor();
  await dialog.getByLabel('Why (optional)').fill('wrong <i>input</i>');
  await dialog.getByRole('button', { name: 'Cancel 3 jobs' }).click();
  await page
    .locator('stint-toasts')
    .getByText(/jobs? (are|is) (being )?cancelled\./)
    .first()
    .waitFor();
  for (const job of [queued, ...running]) {
    await eventually(async () => (await rowOf(page, job.id)).status === 'Cancelled', `job ${job.id} is cancelled`);
  }
  assert.equal((await server.call('GET', `v1/jobs/${queued.id}`)).job.cancelReason, 'wrong <i>input</i>');
  await opened.close();
});

test('submits again, reports an issue, copies links and downloads results', { skip }, async () => {
  const done = await server.finished((await date('original')).id);
  const other = await server.finished((await date('original 2')).id);
  const page = await open(`jobs?selected=${done.id},${other.id}`);
  await opened.context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin: new URL(server.url).origin });
  const action = (id) => page.locator(`[data-action=${id}][aria-disabled=false]`);
  await action('rerun').click();
  await page.getByRole('button', { name: 'Submit 2 jobs' }).click();
  await page.getByText('2 jobs submitted again.').waitFor();
  await eventually(
    async () =>
      (await page.locator('.row .cell.output_name').allInnerTexts()).filter((n) => n === 'original').length === 2,
    'the new job is in the list',
  );

  await action('copy').click();
  await page.getByText('2 links copied.').waitFor();
  assert.equal(
    await page.evaluate(() => navigator.clipboard.readText()),
    `${server.url}jobs/${done.id}\n${server.url}jobs/${other.id}`,
  );

  await selectRows(page, [done.id]);
  const saved = page.waitForEvent('download');
  await action('download').click();
  assert.equal((await saved).suggestedFilename(), `job-${done.id}-results.zip`);

  await action('report').click();
  const dialog = page.locator('stint-question');
  await dialog.getByRole('button', { name: 'Send report' }).click();
  await dialog.getByLabel('What is wrong').fill('The clock is <b>late</b>.');
  await dialog.getByRole('button', { name: 'Send report' }).click();
  await page.getByText('Thank you. Your report is number').waitFor();
  const { issues } = await server.call('GET', 'v1/admin/issues');
  assert.deepEqual(
    issues.map((i) => [i.description, i.job.id]),
    [['The clock is <b>late</b>.', done.id]],
  );
  await opened.close();
});

test('a server that is killed and started again: the page says so, recovers, and has lost and doubled nothing', {
  skip,
}, async () => {
  const page = await open('jobs');
  await page.getByText('Live', { exact: true }).waitFor();
  const before = await rowIds(page);
  const running = await sleep('lives through it', 600);
  await until(() => rowOf(page, running.id), { status: 'Running', name: 'lives through it', service: 'Sleep' });
  await server.kill();
  await page
    .locator('stint-jobs-page')
    .getByText(/^Offline, since/)
    .waitFor();
  await server.start();
  const first = await server.finished((await date('while nobody knew')).id);
  await page.getByText('Live', { exact: true }).waitFor();
  await until(() => rowOf(page, first.id), { status: 'Completed', name: 'while nobody knew', service: 'Date' });
  await until(() => rowIds(page), [first.id, running.id, ...before]);
  await server.call('POST', `v1/jobs/${running.id}:cancel`, { id: running.id });
  await eventually(async () => (await rowOf(page, running.id)).status === 'Cancelled', 'changes arrive again');
  const { summary } = await server.call('GET', 'v1/jobs:summarize');
  await until(async () => (await chips(page)).completed, summary.total.completed);
  await opened.close();
});
