import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, noBrowser, openContext, picture } from './lib/browser.mjs';
import { startServer } from './lib/server.mjs';
import { startSite } from './lib/site.mjs';
import { eventually, until } from './lib/until.mjs';

const skip = noBrowser();
let server;
let site;
let browser;

before(async () => {
  if (skip) return;
  // One core, so that the second job waits.
  server = await startServer({ flags: ['--path-prefix', '/stint', '--cpus', '1', '--grace', '1s'] });
  site = await startSite(server);
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await site?.close();
  await server?.stop();
});

const sleep = (output_name, seconds, more = {}) => ({
  service: 'Sleep',
  outputName: output_name,
  parameters: { sleep_time: seconds },
  ...more,
});

/** The numbers that the indicator of a page shows, or its words where it shows none. */
async function shown(page) {
  return page.locator('stint-indicator').evaluate((element) => {
    const counts = [...element.shadowRoot.querySelectorAll('.count')].map(
      (c) => `${c.classList[1]} ${c.querySelector('span').textContent}`,
    );
    return counts.join(', ') || element.shadowRoot.querySelector('.words').textContent;
  });
}

test('counts follow a job through its states on a page that embeds it, without a reload', { skip }, async () => {
  const { page: open, close } = await openContext(browser, site);
  const page = await open('');
  await until(() => shown(page), 'queued 0, running 0, completed 0, failed 0');

  const first = await server.submit(sleep('first', 600));
  await until(() => shown(page), 'queued 0, running 1, completed 0, failed 0');
  assert.equal(await page.title(), '(1) A science gateway');

  await server.submit({ service: 'Date', outputName: 'second' });
  await until(() => shown(page), 'queued 1, running 1, completed 0, failed 0');
  await picture(page, 'indicator-plain');

  await server.call('POST', `v1/jobs/${first.id}:cancel`, { id: first.id });
  await until(() => shown(page), 'queued 0, running 0, completed 1, failed 0');
  assert.equal(await page.title(), 'A science gateway');

  await server.submit(sleep('third', 600, { resources: { timeLimit: '1s' } }));
  await until(() => shown(page), 'queued 0, running 0, completed 1, failed 1');

  const link = page.getByRole('link', { name: 'Jobs', exact: true });
  await link.click();
  await page.waitForURL(`${site.url}stint/jobs`);
  await page.locator('stint-job-table .row').nth(2).waitFor();
  await close();
});

test('twenty tabs share one stream and all of them stay live', { skip }, async () => {
  const { page: open, close } = await openContext(browser, site);
  const before = site.opened;
  const pages = [];
  for (let i = 0; i < 20; i++) pages.push(await open(i % 2 ? '' : 'stint/jobs'));
  for (const page of pages)
    await eventually(async () => (await shown(page)).startsWith('queued'), 'the indicator shows counts');
  assert.deepEqual({ open: site.streams, ever: site.opened - before }, { open: 1, ever: 1 });

  const job = await server.submit(sleep('seen by all', 600));
  await Promise.all(
    pages.map((page) =>
      eventually(async () => (await shown(page)).includes('running 1'), 'every tab shows the running job'),
    ),
  );
  await server.call('POST', `v1/jobs/${job.id}:cancel`, { id: job.id });
  await Promise.all(
    pages.map((page) => eventually(async () => (await shown(page)).includes('running 0'), 'every tab shows its end')),
  );
  assert.equal(site.opened - before, 1, 'no tab opened a stream of its own');
  await close();
});

test('without shared workers the tabs choose one of them, and another takes over', { skip }, async () => {
  const { context, page: open, close } = await openContext(browser, site);
  await context.addInitScript(() => delete globalThis.SharedWorker);
  await eventually(() => site.streams === 0, 'the streams of the test before have ended');
  const pages = [];
  for (let i = 0; i < 4; i++) pages.push(await open(''));
  for (const page of pages)
    await eventually(async () => (await shown(page)).startsWith('queued'), 'the indicator shows counts');
  assert.equal(site.streams, 1);

  await pages.shift().close();
  const job = await server.submit(sleep('under the new leader', 600));
  await Promise.all(
    pages.map((page) =>
      eventually(async () => (await shown(page)).includes('running 1'), 'every tab shows the running job'),
    ),
  );
  await eventually(() => site.streams === 1, 'there is one stream again');
  await server.call('POST', `v1/jobs/${job.id}:cancel`, { id: job.id });
  await close();
});

test('says since when it is offline, and comes back by itself', { skip }, async () => {
  const { page: open, close } = await openContext(browser, site);
  const page = await open('');
  await eventually(async () => (await shown(page)).startsWith('queued'), 'the indicator shows counts');
  await server.kill();
  await eventually(async () => /^offline, since \d\d:\d\d$/.test(await shown(page)), 'it says that it is offline');
  await picture(page, 'indicator-offline');
  await server.start();
  await eventually(async () => (await shown(page)).startsWith('queued'), 'the counts come back');
  await close();
});

test('tells of a job that ended by a notification, if the user agreed', { skip }, async () => {
  const { context, page: open, close } = await openContext(browser, site);
  await context.grantPermissions(['notifications'], { origin: site.url });
  await context.addInitScript(() => {
    window.told = [];
    const Real = window.Notification;
    window.Notification = class extends EventTarget {
      static permission = 'granted';
      static requestPermission = Real.requestPermission;
      constructor(title) {
        super();
        window.told.push(title);
      }
    };
  });
  const page = await open('');
  await eventually(async () => (await shown(page)).startsWith('queued'), 'the indicator shows counts');
  await server.submit({ service: 'Date', outputName: 'over soon' });
  await until(() => page.evaluate(() => window.told), ['over soon completed']);
  await close();
});

test('each count leads to its jobs', { skip }, async () => {
  const { page: open, close } = await openContext(browser, site);
  const page = await open('stint/services');
  const failed = page.locator('stint-indicator .failed');
  await failed.click();
  await page.waitForURL(/jobs\?state=failed$/);
  await until(() => page.locator('.chip.failed').getAttribute('aria-pressed'), 'true');
  await close();
});

test('where the browser forbids workers and locks to a page, the page has a stream of its own', { skip }, async () => {
  const { context, page: open, close } = await openContext(browser, site);
  await context.addInitScript(() => {
    delete globalThis.SharedWorker;
    // An empty document has no locks.
    if (navigator.locks)
      navigator.locks.request = () => Promise.reject(new DOMException('The request was denied.', 'SecurityError'));
  });
  const page = await open('');
  await eventually(async () => /^queued \d+, running \d+/.test(await shown(page)), 'counts are shown');
  const { id } = await server.submit(sleep('seen alone', 600));
  await eventually(async () => !/running 0/.test(await shown(page)), 'changes arrive');
  await server.call('POST', `v1/jobs/${id}:cancel`, { id });
  await close();
});
