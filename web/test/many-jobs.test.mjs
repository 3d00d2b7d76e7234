// A hundred thousand jobs in the store.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, noBrowser, openContext, picture } from './lib/browser.mjs';
import { rowIds } from './lib/jobs-page.mjs';
import { startServer } from './lib/server.mjs';
import { eventually, until } from './lib/until.mjs';

const skip = noBrowser();
const many = 100_000;
let server;
let browser;

before(async () => {
  if (skip) return;
  // All of them wait behind one job that has the only core.
  server = await startServer({ flags: ['--cpus', '1', '--grace', '1s'] });
  await server.submit({ service: 'Sleep', outputName: 'has the core', parameters: { sleep_time: 600 } });
  await server.submitMany(
    Array.from({ length: many - 1 }, (_, i) => ({ service: i % 3 ? 'Date' : 'Sleep', outputName: `run-${i}` })),
  );
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

test('the first rows are there in less than a second', { skip }, async (t) => {
  const times = [];
  const { context, close } = await openContext(browser, server);
  // The best of some: what other programs do meanwhile is not the page's.
  for (let i = 0; i < 5; i++) {
    const page = await context.newPage();
    await page.goto(`${server.url}jobs`);
    times.push(
      await eventually(
        () => page.evaluate(() => performance.getEntriesByName('stint-first-rows')[0]?.startTime),
        'the first rows are drawn',
      ),
    );
    await page.close();
  }
  t.diagnostic(`first rows after ${times.map(Math.round)} ms`);
  assert.ok(Math.min(...times) < 1000, `first rows after ${times.map(Math.round)} ms`);
  await close();
});

test('scrolls without blank gaps, and keeps few rows in the document', { skip }, async () => {
  const { page: open, close } = await openContext(browser, server);
  const page = await open('jobs');
  await page.locator('.row').first().waitFor();
  const box = await page.locator('stint-job-table').boundingBox();
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
  for (let i = 0; i < 60; i++) {
    await page.mouse.wheel(0, 1500);
    // As the next picture shows it.
    const seen = await page.locator('stint-job-table').evaluate(async (table) => {
      await new Promise(requestAnimationFrame);
      const scroll = table.shadowRoot.querySelector('.scroll').getBoundingClientRect();
      const rows = [...table.shadowRoot.querySelectorAll('.row')].map((row) => row.getBoundingClientRect());
      return {
        above: Math.min(...rows.map((r) => r.top)) - (scroll.top + 36),
        below: scroll.bottom - Math.max(...rows.map((r) => r.bottom)),
        rows: rows.length,
      };
    });
    assert.ok(seen.above <= 1 && seen.below <= 1, `step ${i}: a gap, ${JSON.stringify(seen)}`);
    assert.ok(seen.rows < 120, `step ${i}: ${seen.rows} rows in the document`);
  }
  // The address follows when the scrolling pauses, which a busy machine also does midway.
  await eventually(async () => Number(new URL(page.url()).searchParams.get('row')) > 1000, 'the address says where');
  await until(() => page.evaluate(() => document.title), '(100000) Jobs · Stint');
  await picture(page, 'jobs-many');
  await close();
});

test('a reload shows the place in the list again, and new jobs do not move it', { skip }, async () => {
  const { page: open, close } = await openContext(browser, server);
  const page = await open('jobs?row=2500');
  const first = () =>
    page.locator('stint-job-table').evaluate((table) => {
      const top = table.shadowRoot.querySelector('.scroll').getBoundingClientRect().top + 36;
      const rows = [...table.shadowRoot.querySelectorAll('.row')];
      return rows
        .map((r) => ({ id: r.dataset.id, top: Math.round(r.getBoundingClientRect().top - top) }))
        .find((r) => r.top === 0)?.id;
    });
  const there = String(many - 2500);
  await until(first, there);
  await page.reload();
  await until(first, there);
  const { id } = await server.submit({ service: 'Date', outputName: 'comes while one reads' });
  await until(() => page.locator('.chip[aria-pressed=true] b').innerText(), '100,001');
  assert.equal(await first(), there);
  await page.locator('stint-job-table .scroll').press('Home');
  await until(async () => (await rowIds(page))[0], id);
  await close();
});

test('a search finds one of them, with the counts of what it finds', { skip }, async () => {
  const { page: open, close } = await openContext(browser, server);
  const page = await open('jobs?q=run-77777');
  await until(() => rowIds(page), ['77779']);
  await until(() => page.locator('.chip.queued b').innerText(), '1');
  await until(() => page.locator('.chip.running b').innerText(), '0');
  await close();
});
