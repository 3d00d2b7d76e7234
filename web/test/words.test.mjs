// Pages, and words, are for whom they are; what is safe is what one gets; something is seen at once.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { checkAccessible } from './lib/accessible.mjs';
import { launch, noBrowser, openContext } from './lib/browser.mjs';
import { startServer } from './lib/server.mjs';
import { makeServices } from './lib/services.mjs';
import { until } from './lib/until.mjs';

const skip = noBrowser();
let services;
let server;
let browser;

before(async () => {
  if (skip) return;
  services = await makeServices();
  server = await startServer({ flags: ['--services', services.folder, '--cpus', '2', '--grace', '1s'] });
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await server?.stop();
  await services?.remove();
});

test('pages for operators say so to others, and ask the server for nothing', { skip }, async () => {
  const open = await openContext(browser, server);
  const asked = [];
  await open.context.route('**/v1/status', async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, json: { ...(await response.json()), roles: ['user'] } });
  });
  open.context.on('request', (r) => /admin|owner=\*|complete_time/.test(r.url()) && asked.push(r.url()));
  for (const [at, words] of [
    ['queue', 'This page is for operators.'],
    ['audit', 'This page is for operators and auditors.'],
  ]) {
    const page = await open.page(at);
    await page.getByRole('heading', { name: words }).waitFor();
    assert.equal(await page.getByRole('switch').count(), 0);
    await checkAccessible(page, words);
  }
  assert.deepEqual(asked, []);
  await open.close();
});

test('a new token ends after 30 days and may do what was chosen', { skip }, async () => {
  const open = await openContext(browser, server);
  const page = await open.page('account');
  const ends = page.getByLabel('It ends after');
  await until(() => ends.inputValue(), '30');
  await page.getByLabel('What is it for?').fill('nightly');
  await page.getByLabel('see jobs, their logs and results').uncheck();
  await page.getByRole('button', { name: 'Make a token' }).click();
  await page.getByText('Choose what the token may do.').waitFor();
  await page.getByLabel('read the workspace').check();
  await page.getByRole('button', { name: 'Make a token' }).click();
  await page.getByText('This is the new token.').waitFor();
  const { user } = await server.call('GET', 'v1/auth/whoami');
  const { tokens } = await server.call('GET', `v1/admin/tokens?user=${user}`);
  assert.deepEqual(tokens[0].scopes, ['files:read']);
  const days = (Date.parse(tokens[0].expireTime) - Date.parse(tokens[0].createTime)) / 86_400_000;
  assert.ok(Math.abs(days - 30) < 0.1, `${days} days`);
  await checkAccessible(page, 'the account with a token');
  await open.close();
});

test('"Check only" shows its answer where one looks', { skip }, async () => {
  for (const viewport of [
    { width: 1366, height: 768 },
    { width: 390, height: 844 },
  ]) {
    const open = await openContext(browser, server, { viewport });
    const page = await open.page('submit/Showcase');
    await page.getByLabel('Title').fill('All is well');
    await page.getByText('Resources, priority and labels').click();
    await page.getByRole('button', { name: 'Check only' }).click();
    const answer = page.locator('.would');
    await answer.waitFor();
    await until(
      () =>
        answer.evaluate((el) => {
          const r = el.getBoundingClientRect();
          const bar = el.getRootNode().querySelector('.buttons').getBoundingClientRect();
          return r.top >= 48 && r.bottom <= bar.top + 1;
        }),
      true,
      `the answer is in sight at ${viewport.width} px`,
    );
    await open.close();
  }
});

test('one table and one word each for the jobs that wait or run', { skip }, async () => {
  const { id } = await server.submit({ service: 'Showcase', parameters: { title: 'Busy', lines: 1000, rate: 0.1 } });
  const { id: many } = await server.submit({ service: 'Sleep', outputName: 'beside', parameters: { sleep_time: 600 } });
  const open = await openContext(browser, server);
  const heads = [];
  for (const at of ['everybody', 'queue']) {
    const page = await open.page(at);
    const table = page.locator('stint-queue');
    await table.getByRole('link', { name: id, exact: true }).waitFor();
    await table.getByText('Showcase').first().waitFor();
    heads.push(await table.locator('th').allInnerTexts());
  }
  assert.deepEqual(heads[0], heads[1]);
  for (const job of [id, many]) await server.call('POST', `v1/jobs/${job}:cancel`, {});
  await open.close();
});

test('times to the second are written as the language does', { skip }, async () => {
  const { id } = await server.submit({ service: 'Date', outputName: 'timed' });
  await server.finished(id);
  const open = await openContext(browser, server, { locale: 'en-US' });
  const page = await open.page(`jobs/${id}`);
  await page.getByText('All that happened').click();
  const times = await page.locator('stint-timeline li time').allInnerTexts();
  assert.ok(times.length > 0);
  for (const time of times) assert.match(time.replaceAll('\u202f', ' '), /^\w{3} \d+, \d\d:\d\d:\d\d [AP]M$/);
  await open.close();
});

test('something is seen before the scripts are there, and while the next page is on its way', { skip }, async () => {
  const { id } = await server.submit({ service: 'Date', outputName: 'slow to come' });
  await server.finished(id);
  const open = await openContext(browser, server);
  let release;
  const held = new Promise((resolve) => {
    release = resolve;
  });
  await open.context.route('**/assets/index-*.js', async (route) => {
    await held;
    await route.continue();
  });
  const page = await open.context.newPage();
  await page.goto(`${server.url}jobs`, { waitUntil: 'commit' });
  await page.getByText('Loading…').waitFor();
  release();
  await page.locator('.row').first().waitFor();

  let arrive;
  const late = new Promise((resolve) => {
    arrive = resolve;
  });
  await open.context.route('**/assets/page-*.js', async (route) => {
    await late;
    await route.continue();
  });
  await page.getByRole('link', { name: 'slow to come' }).click();
  await page.getByText('Loading Job…').waitFor();
  arrive();
  await page.getByRole('heading', { name: 'slow to come' }).waitFor();
  await until(() => page.getByText('Loading Job…').count(), 0);
  await open.close();
});

test('addresses in the message of the operators are links, and nothing else in it is', { skip }, async () => {
  const message = 'Back at noon, see https://status.example.org/now. <b>Thanks</b>';
  await server.call('POST', 'v1/admin/submissions', { open: false, message });
  const open = await openContext(browser, server);
  const page = await open.page('services');
  const notice = page.locator('stint-app .notice');
  await notice.getByRole('link', { name: 'https://status.example.org/now', exact: true }).waitFor();
  assert.match(await notice.innerText(), /<b>Thanks<\/b>/);
  await server.call('POST', 'v1/admin/submissions', { open: true, message: '' });
  await open.close();
});

test('what is wrong with a filter is said once', { skip }, async () => {
  const open = await openContext(browser, server);
  const page = await open.page('jobs?filter=state+%3D+FOO');
  await page.getByText('Correct the filter above.').waitFor();
  assert.equal(await page.getByText(/FOO/).count(), 1);
  await open.close();
});
