// Advice what to ask for, in the form and after the end of a job, in Chromium.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { checkAccessible } from './lib/accessible.mjs';
import { launch, noBrowser, openContext, picture } from './lib/browser.mjs';
import { startServer } from './lib/server.mjs';
import { eventually, until } from './lib/until.mjs';

const skip = noBrowser();

let server;
let browser;

before(async () => {
  if (skip) return;
  server = await startServer({ flags: ['--cpus', '4'] });
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

const completed = async () => (await server.call('GET', 'v1/jobs:summarize')).summary?.total?.completed ?? '0';

// runs lets so many jobs complete that are alike in what they read: nothing.
async function runs(n) {
  const wanted = String(Number(await completed()) + n);
  const job = { service: 'Sleep', parameters: { sleep_time: 0 } };
  await server.call('POST', 'v1/jobs:batchSubmit', { jobs: Array.from({ length: n }, () => job) });
  await until(completed, wanted);
}

test('a form is advised by completed jobs, live, and takes the advice with one button', { skip }, async () => {
  await runs(19);
  const open = await openContext(browser, server);
  const page = await open.page('submit/Sleep');
  const said = () => page.locator('stint-advice p').innerText();
  await page.getByText('Resources, priority and labels').click();
  await until(said, 'Nothing is advised: 19 jobs of Sleep like it have completed, and it takes 20.');
  await runs(1);
  await page.getByLabel('Time to sleep').fill('a while');
  await until(said, 'Advice comes when the parameters are complete.');
  await page.getByLabel('Time to sleep').fill('0');
  await eventually(async () => (await said()).startsWith('Advised'), 'advice');
  assert.match(await said(), /^Advised: 64.0 MiB of memory and a time limit of 1 m 00 s, by 20 completed jobs like it/);
  await picture(page, 'advice-light');
  await checkAccessible(page, 'a form with advice');
  await page.getByRole('button', { name: 'Take the advice' }).click();
  await until(() => page.getByLabel('Memory').inputValue(), '64M');
  assert.equal(await page.getByLabel('Time limit').inputValue(), '1m');
  await page.getByRole('button', { name: 'Submit' }).click();
  await page.waitForURL(/\/jobs\/\d+$/);
  const { job } = await server.call('GET', `v1/jobs/${page.url().split('/').at(-1)}`);
  assert.equal(job.resources.memoryBytes, String(64 << 20));
  assert.equal(job.resources.timeLimit, '60s');
  const used = /^It had 64 MiB of memory and used [\d.]+ [KM]iB\. It had 1m and took /;
  const notes = () => page.locator('stint-usage .note').allInnerTexts();
  await eventually(async () => used.test((await notes()).join(' ')), 'what was used');
  await open.close();
});
