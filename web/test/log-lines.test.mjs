// The lines of a log have numbers and addresses, are broken on wish, and have the whole screen.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { checkAccessible } from './lib/accessible.mjs';
import { launch, noBrowser, openContext, picture } from './lib/browser.mjs';
import { startServer } from './lib/server.mjs';
import { eventually, until } from './lib/until.mjs';

const skip = noBrowser();
const services = fileURLToPath(new URL('services', import.meta.url));
let server;
let browser;
let long;
let wide;

before(async () => {
  if (skip) return;
  server = await startServer({ flags: ['--services', services, '--cpus', '4', '--output-head', '64M'] });
  browser = await launch();
  const show = (parameters) => server.submit({ service: 'Showcase', parameters: { title: 'Lines', ...parameters } });
  [long, wide] = [await show({ lines: 60_000 }), await show({ lines: 3, fail: true })];
  for (const { id } of [long, wide]) await server.finished(id);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

const lines = (page) =>
  page
    .locator('stint-log-view .line')
    .evaluateAll((all) =>
      all
        .filter((line) => line.querySelector('a.number'))
        .map((line) => ({ number: line.querySelector('.number').dataset.number, text: line.innerText.split(' ')[0] })),
    );

test('lines are numbered from the start of the log, also where only its end was read', { skip }, async () => {
  const open = await openContext(browser, server);
  const page = await open.page(`jobs/${long.id}`);
  // Two lines come before the numbers that the service prints.
  await eventually(async () => {
    const shown = (await lines(page)).filter((l) => /^\d+$/.test(l.text));
    return shown.length > 5 && shown.every((l) => Number(l.number) === Number(l.text) + 2);
  }, 'the end of the log is numbered');
  const view = page.locator('stint-log-view .view');
  const first = async () => Number((await lines(page))[0]?.text);
  const before = await first();
  await eventually(async () => {
    await view.evaluate((el) => el.scrollBy(0, -el.clientHeight * 30));
    return (await first()) < before - 15_000;
  }, 'what is before is loaded');
  const shown = await lines(page);
  assert.ok(
    shown.every((l) => Number(l.number) === Number(l.text) + 2),
    JSON.stringify(shown.slice(0, 3)),
  );
  await open.close();
});

test('the number of a line is its address', { skip }, async () => {
  const open = await openContext(browser, server);
  const page = await open.page(`jobs/${wide.id}`);
  await page.getByRole('tab', { name: 'Standard output' }).click();
  await page.getByRole('link', { name: 'Link to line 4', exact: true }).click();
  await until(async () => (await page.locator('.line.hit').innerText()).split(' ')[0], '2');
  const { searchParams } = new URL(page.url());
  assert.equal(searchParams.get('log'), 'stdout');
  const other = await open.page(`jobs/${wide.id}${new URL(page.url()).search}`);
  await until(async () => (await other.locator('.line.hit').innerText()).split(' ')[0], '2');
  assert.equal(await other.locator('[role=tab][aria-selected=true]').innerText(), 'Standard output');
  await checkAccessible(other, 'a line of a log');
  await open.close();
});

test('long lines are broken on wish, lose nothing, and the device remembers', { skip }, async () => {
  const open = await openContext(browser, server, { viewport: { width: 390, height: 844 } });
  const page = await open.page(`jobs/${wide.id}`);
  const text = () => page.locator('stint-log-view .line').allInnerTexts();
  await until(async () => (await text()).at(-1), 'ERROR: the show failed as it was told to');
  const whole = (await text()).join('');
  const tooWide = () =>
    page.locator('stint-log-view .view').evaluate((view) => view.scrollWidth > view.clientWidth + 1);
  assert.equal(await tooWide(), true);
  await page.locator('[data-action=wrap]').click();
  await until(tooWide, false);
  assert.equal((await text()).join(''), whole);
  await page.reload();
  await until(() => page.locator('[data-action=wrap]').getAttribute('aria-pressed'), 'true');
  await until(async () => (await text()).join(''), whole);
  await until(tooWide, false);
  await picture(page, 'log-wrapped-phone');
  await open.close();
});

test('a log has the whole screen on wish', { skip }, async () => {
  const open = await openContext(browser, server);
  const page = await open.page(`jobs/${long.id}`);
  await page.locator('stint-log-view .line').first().waitFor();
  await page.locator('stint-log-pane [data-action=full]').click();
  await eventually(
    () => page.locator('stint-log-view .view').evaluate((view) => view.clientHeight > innerHeight * 0.75),
    'the log fills the screen',
  );
  await picture(page, 'log-full');
  await open.close();
});
