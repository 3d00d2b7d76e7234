// Reports whose scripts run at an origin of their own, and reach nothing of the pages.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { launch, noBrowser, openContext } from './lib/browser.mjs';
import { startServer } from './lib/server.mjs';
import { until } from './lib/until.mjs';

const skip = noBrowser();
const services = fileURLToPath(new URL('./services-content', import.meta.url));

let browser;
let server;
let content;

before(async () => {
  if (skip) return;
  browser = await launch();
  server = await startServer({
    flags: ['--cpus', '1', '--services', services],
    prepare: async ({ port }) => {
      content = `http://localhost:${port}`;
      return ['--content-origin', content];
    },
  });
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

// What a report of the service Report says of each thing that it tried.
const tried = async (frame) => JSON.parse((await frame.locator('#tried').textContent()) || '{}');

const finished = {
  script: 'ran',
  beside: 'loaded',
  origin: 'null',
  cookie: 'refused',
  storage: 'refused',
  parent: 'refused',
  api: 'refused',
  write: 'refused',
  elsewhere: 'refused',
};

test('a report with scripts runs, and reaches nothing of the pages', { skip }, async () => {
  const { id } = await server.submit({ service: 'Report' });
  assert.equal((await server.finished(id)).state, 'STATE_COMPLETED');
  const before = await server.call('GET', 'v1/jobs:summarize');
  const open = await openContext(browser, server, { others: [`${content}/c/`] });
  // The cookie that a report would like to have.
  await open.context.addCookies([{ name: 'stint_session', value: 'secret', url: server.url }]);
  const page = await open.page(`jobs/${id}`);
  await page.locator('[data-result="run/report.html"]').click();
  const frame = page.frameLocator('stint-result-view iframe');
  await until(async () => (await tried(frame)).elsewhere, 'refused');
  assert.deepEqual(await tried(frame), finished);
  assert.equal(await page.evaluate(() => window.pwned), undefined);
  const shown = page.frames().find((f) => f.url().startsWith(content));
  assert.match(shown.url(), /\/c\/[\w-]{43}\/run\/report\.html$/);

  // By itself it is as far from the pages.
  const [alone] = await Promise.all([
    page.waitForEvent('popup'),
    page.getByRole('link', { name: 'Open alone' }).click(),
  ]);
  await until(async () => (await tried(alone)).elsewhere, 'refused');
  assert.ok(alone.url().startsWith(`${content}/c/`));
  assert.deepEqual(await tried(alone), finished);
  assert.deepEqual(await server.call('GET', 'v1/jobs:summarize'), before, 'a report submitted a job');

  // What the policies blocked is told on the console; nothing else may be.
  await open.close().catch((error) => {
    const others = (error.actual ?? [error]).filter(
      (line) => !/sandbox|Content Security Policy|CORS|Blocked|Failed to fetch/i.test(String(line)),
    );
    assert.deepEqual(others, []);
  });
});
