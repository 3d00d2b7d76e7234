// Nothing that is drawn is cut, sticks out, or is covered: on a desktop, a large screen, at 200 % zoom and on a phone,
// in light, dark and forced colours. Here in a 12-hour locale; geometry-de and geometry-ar have two other languages.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openContext, picture } from './lib/browser.mjs';
import { browser, jobs, prepare, server, skip, testPages } from './lib/pages.mjs';
import { until } from './lib/until.mjs';

prepare();
testPages('en-US');

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
