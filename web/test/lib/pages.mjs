// The pages, each with something on it, for tests that look at their geometry.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, noBrowser, openContext, picture } from './browser.mjs';
import { misplaced } from './geometry.mjs';
import { startServer } from './server.mjs';
import { makeServices } from './services.mjs';
import { eventually } from './until.mjs';

export const skip = noBrowser();
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
export let server;
export let browser;
export const jobs = {};

/** Starts what the tests need. */
export function prepare() {
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
      async () => (await server.call('GET', 'v1/jobs:summarize')).summary.total.running === '3',
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
}

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
    open: (page) => page.locator('details summary').first().click(),
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

/** Makes a test for each page: in a language, at all sizes, in light, dark and forced colours. */
export function testPages(locale) {
  for (const [name, { at, ready, open: unfold }] of Object.entries(pages)) {
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
      await unfold?.(page);
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
