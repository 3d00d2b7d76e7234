// Nothing that is drawn is cut, sticks out, or is covered: on a desktop, a large screen, at 200 % zoom and on a phone,
// in a 12-hour locale, in German and from right to left, in light, dark and forced colours.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, noBrowser, openContext, picture } from './lib/browser.mjs';
import { misplaced } from './lib/geometry.mjs';
import { startServer } from './lib/server.mjs';
import { makeServices } from './lib/services.mjs';
import { eventually, until } from './lib/until.mjs';

const skip = noBrowser();
const sizes = [
  { width: 1366, height: 768 },
  { width: 1920, height: 1080 },
  { width: 683, height: 384 },
  { width: 390, height: 844 },
];
const looks = [
  { colorScheme: 'light', forcedColors: 'none' },
  { colorScheme: 'dark', forcedColors: 'none' },
  { colorScheme: 'light', forcedColors: 'active' },
];

let services;
let server;
let browser;
const jobs = {};

before(async () => {
  if (skip) return;
  services = await makeServices();
  server = await startServer({ flags: ['--services', services.folder, '--cpus', '3', '--grace', '1s'] });
  browser = await launch();
  await fetch(new URL('v1/workspace/genomes/lambda.fasta', server.url), { method: 'PUT', body: '>a\nACGT\n' });
  const show = (outputName, parameters) =>
    server.submit({ service: 'Showcase', outputName, parameters: { title: outputName.slice(0, 60), ...parameters } });
  jobs.groups = await show('with libraries', {
    words: ['one', 'two'],
    library: [{ name: 'L1', insert: 350 }, { name: 'a longer name of a library' }],
  });
  jobs.failed = await show('it failed', { fail: true });
  const long = 'Comprehensive analysis of carbapenem-resistant Klebsiella pneumoniae isolates, batch 17';
  jobs.long = await show(long, {});
  for (const id of Object.values(jobs).map((job) => job.id)) await server.finished(id);
  for (let i = 0; i < 12; i++)
    await server.finished((await server.submit({ service: 'Date', outputName: `well ${i}` })).id);
  jobs.cancelled = await server.submit({ service: 'Sleep', outputName: 'stopped', parameters: { sleep_time: 600 } });
  await server.call('POST', `v1/jobs/${jobs.cancelled.id}:cancel`, {});
  for (let i = 0; i < 5; i++)
    await server.submit({ service: 'Sleep', outputName: `replicate ${i}`, parameters: { sleep_time: 900 } });
  await eventually(
    async () => (await server.call('GET', 'v1/jobs:summary')).summary.total.running === '3',
    'three jobs run',
  );
  await server.call('POST', 'v1/admin/tokens', { description: 'nightly runs', scopes: ['jobs:read'] });
  await server.call('POST', `v1/jobs/${jobs.failed.id}:reportIssue`, { description: 'It fails each time.' });
});

after(async () => {
  await browser?.close();
  await server?.stop();
  await services?.remove();
});

const pages = {
  jobs: { at: () => 'jobs', ready: '.row' },
  'jobs of everybody': { at: () => 'jobs?owner=*&state=completed,failed', ready: '.row' },
  'a job with groups': { at: () => `jobs/${jobs.groups.id}`, ready: 'stint-table-view tbody tr' },
  'a failed job': { at: () => `jobs/${jobs.failed.id}`, ready: 'stint-log-view .line' },
  'a job that waits': { at: () => `jobs/${Number(jobs.cancelled.id) + 5}`, ready: '.banner' },
  services: { at: () => 'services', ready: '.card' },
  form: {
    at: () => 'submit/Showcase',
    ready: 'stint-field',
    prepare: (page) => page.locator('details summary').first().click(),
  },
  workspace: { at: () => 'workspace', ready: 'td.name' },
  everybody: { at: () => 'everybody', ready: 'tbody tr' },
  operations: { at: () => 'queue', ready: 'stint-executors .state' },
  audit: { at: () => 'audit', ready: 'tbody tr' },
  account: { at: () => 'account', ready: 'stint-account-page tbody tr' },
};

/** Waits until two looks at a page, a frame apart, are the same: what is drawn in steps is drawn then. */
async function settled(page) {
  await page.evaluate(async () => {
    const frame = () => new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
    await frame();
    await Promise.all(document.getAnimations().map((a) => a.finished.catch(() => {})));
    await frame();
  });
}

for (const locale of ['en-US', 'de', 'ar']) {
  for (const [name, { at, ready, prepare }] of Object.entries(pages)) {
    test(`${name}: nothing is cut, sticks out or is covered, ${locale}`, { skip }, async () => {
      const open = await openContext(browser, server, { viewport: sizes[0], locale, reducedMotion: 'reduce' });
      if (locale === 'ar')
        await open.context.addInitScript(() => {
          new MutationObserver(() => document.documentElement?.setAttribute('dir', 'rtl')).observe(document, {
            childList: true,
          });
        });
      const page = await open.page(at());
      await page.locator(ready).first().waitFor();
      await prepare?.(page);
      const all = {};
      for (const size of sizes) {
        await page.setViewportSize(size);
        for (const look of looks) {
          await page.emulateMedia(look);
          await settled(page);
          const where = `${size.width}x${size.height} ${look.forcedColors === 'active' ? 'forced' : look.colorScheme}`;
          const found = await misplaced(page);
          if (found.length > 0) all[where] = found;
        }
        await page.emulateMedia(looks[0]);
        if (locale !== 'ar') await picture(page, `geometry-${name.replaceAll(' ', '-')}-${locale}-${size.width}`);
      }
      assert.deepEqual(all, {});
      await open.close();
    });
  }
}

test('the list shows jobs at 200 % zoom and on a phone held sideways', { skip }, async () => {
  for (const viewport of [
    { width: 683, height: 384 },
    { width: 844, height: 390 },
  ]) {
    const open = await openContext(browser, server, { viewport, locale: 'en-US', hasTouch: true });
    const page = await open.page('jobs');
    await page.locator('.row').nth(2).waitFor();
    /** Rows that can be seen as a whole, after the page was scrolled. */
    const whole = (y) =>
      page.locator('stint-app').evaluate((app, top) => {
        app.shadowRoot.querySelector('main').scrollTop = top;
        const table = app.shadowRoot.querySelector('stint-jobs-page').shadowRoot.querySelector('stint-job-table');
        const view = table.shadowRoot.querySelector('.scroll').getBoundingClientRect();
        const bottom = Math.min(view.bottom, innerHeight);
        return [...table.shadowRoot.querySelectorAll('.row')].filter((row) => {
          const r = row.getBoundingClientRect();
          return r.top >= view.top - 1 && r.bottom <= bottom + 1;
        }).length;
      }, y);
    assert.ok((await whole(0)) >= 2, `${viewport.width}: ${await whole(0)} rows at first`);
    assert.ok((await whole(1000)) >= 4, `${viewport.width}: ${await whole(1000)} rows after scrolling the page`);
    await picture(page, `jobs-low-${viewport.width}`);
    await open.close();
  }
});

test('with forced colours what is chosen can be told from what is not', { skip }, async () => {
  const open = await openContext(browser, server, { forcedColors: 'active' });
  const page = await open.page('jobs?state=failed,completed');
  await page.locator('.row').nth(3).waitFor();
  await page.locator('.row').nth(1).locator('.cell.submit').click();
  /** How an element looks as far as forced colours let it. */
  const face = (locator) =>
    locator.evaluate((el) => {
      const s = getComputedStyle(el);
      return [s.outlineStyle, s.outlineWidth, s.borderColor, s.borderWidth, s.backgroundColor].join(' ');
    });
  const differ = async (on, off, what) => {
    await on.first().waitFor();
    await off.first().waitFor();
    assert.notEqual(await face(on.first()), await face(off.first()), what);
  };
  await differ(page.locator('.chip[aria-pressed=true]'), page.locator('.chip[aria-pressed=false]'), 'a chip');
  await differ(page.locator('nav a[aria-current]'), page.locator('nav a:not([aria-current])'), 'a page');
  await differ(page.locator('.row[aria-selected=true]'), page.locator('.row[aria-selected=false]'), 'a row');
  await differ(page.locator('.row.selected .box'), page.locator('.row:not(.selected) .box'), 'the box of a row');
  await page.goto(`${server.url}jobs/${jobs.groups.id}`);
  await differ(
    page.locator('[role=tab][aria-selected=true]'),
    page.locator('[role=tab][aria-selected=false]'),
    'a log',
  );
  await differ(
    page.locator('[data-result][aria-current]'),
    page.locator('[data-result]:not([aria-current])'),
    'a file',
  );
  await page.goto(`${server.url}queue`);
  const toggle = page.getByRole('switch', { name: 'Accept new jobs' });
  await toggle.waitFor();
  const knob = () => face(toggle.locator('i'));
  const ground = () => face(toggle);
  assert.notEqual(
    (await knob()).split(' ').slice(4).join(),
    (await ground()).split(' ').slice(4).join(),
    'the knob is seen',
  );
  await until(
    () =>
      page
        .locator('stint-executors .fill')
        .first()
        .evaluate((el) => {
          const colour = (e) => getComputedStyle(e).backgroundColor;
          return colour(el) !== colour(el.parentElement);
        }),
    true,
    'a bar is seen',
  );
  await open.close();
});
