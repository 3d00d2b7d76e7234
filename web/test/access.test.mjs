// The pages without a mouse, by what a screen reader is told, in light and in dark, and with what an attacker could name a job.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { after, before, test } from 'node:test';
import { launch, noBrowser, openContext, picture } from './lib/browser.mjs';
import { rowOf, selectRows } from './lib/jobs-page.mjs';
import { startServer } from './lib/server.mjs';
import { eventually, until } from './lib/until.mjs';

const skip = noBrowser();
const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
let server;
let gallery;
let browser;

before(async () => {
  if (skip) return;
  server = await startServer({ flags: ['--cpus', '1', '--grace', '1s'] });
  gallery = await startServer({ flags: ['--cpus', '3', '--grace', '1s'] });
  await fillGallery();
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await server?.stop();
  await gallery?.stop();
});

/** What axe finds, in short. */
async function violations(page) {
  await page.evaluate(axe);
  const found = await page.evaluate(async () => (await window.axe.run(document)).violations);
  return found.map((v) => `${v.id}: ${v.help} (${v.nodes.map((n) => n.target.flat().join(' ')).join('; ')})`);
}

const attacks = [
  '<img src=x onerror=attack()>',
  '<script>attack()<∕script>',
  '"onfocus=attack() autofocus="',
  'javascript:attack()',
  '{{attack()}}',
  '\u202Egpj.exe',
];

test('whatever a user can name stays text', { skip }, async () => {
  const { context, page: open, close } = await openContext(browser, server);
  await context.exposeFunction('attack', () => assert.fail('a script of a user ran'));
  await server.submit({ service: 'Sleep', outputName: 'has the core', parameters: { sleep_time: 600 } });
  const ids = [];
  for (const attack of attacks) {
    const { id } = await server.submit({ service: 'Date', outputName: attack, labels: { evil: attack } });
    ids.push(id);
  }
  await server.call('POST', `v1/jobs/${ids[0]}:cancel`, { id: ids[0], reason: attacks[0] });
  const address = `jobs?q=${encodeURIComponent(attacks[0])}&service=${encodeURIComponent(attacks[0])}&filter=${encodeURIComponent(attacks[0])}&selected=${encodeURIComponent(attacks[0])}`;
  const page = await open(address);
  await page.getByText(/No job matches|cannot be shown/).waitFor();
  await page.goto(`${server.url}jobs`);
  for (const [i, attack] of attacks.entries()) {
    await eventually(
      async () => (await rowOf(page, ids[i]))?.name === attack.replace('\u202e', '\ufffd'),
      `${attack} is shown as it is`,
    );
  }
  await selectRows(page, ids.slice(1));
  await page.locator('[data-action=cancel]').click();
  await page.locator('stint-question').getByText(attacks[1]).waitFor();
  await page.getByRole('button', { name: 'Cancel 5 jobs' }).click();
  await page.locator('stint-toasts .toast').waitFor();
  // Nothing of what was named became an element.
  const elements = await page.evaluate(() => {
    const found = [];
    const walk = (root) => {
      for (const node of root.querySelectorAll('*')) {
        if (/^(img|script|iframe|object)$/i.test(node.localName) && !node.src?.includes('/assets/'))
          found.push(node.outerHTML);
        if (node.shadowRoot) walk(node.shadowRoot);
      }
    };
    walk(document);
    return found;
  });
  assert.deepEqual(elements, []);
  await close();
});

test('a walk with the keyboard alone: filter, choose jobs, cancel them, view one', { skip }, async () => {
  const running = await server.submit({ service: 'Sleep', outputName: 'first', parameters: { sleep_time: 600 } });
  const waiting = await server.submit({ service: 'Sleep', outputName: 'second', parameters: { sleep_time: 600 } });
  const { page: open, close } = await openContext(browser, server);
  const page = await open('jobs');
  await page.locator('.row').first().waitFor();
  const keys = page.keyboard;
  /** Where the focus is, through all shadow roots. */
  const focused = () =>
    page.evaluate(() => {
      let node = document.activeElement;
      while (node?.shadowRoot?.activeElement) node = node.shadowRoot.activeElement;
      return (
        node?.dataset.action ??
        node?.dataset.state ??
        node?.getAttribute('role') ??
        node?.textContent.trim().slice(0, 40)
      );
    });
  const tabTo = async (what, key = 'Tab') => {
    for (let i = 0; i < 40; i++) {
      if ((await focused()) === what) return;
      await keys.press(key);
    }
    assert.fail(`${key} never came to ${what}, but to ${await focused()}`);
  };

  await keys.press('Tab');
  assert.equal(await focused(), 'Skip to content');
  await keys.press('Enter');
  await tabTo('queued');
  await keys.press('Space');
  await page.waitForURL(/state=queued/);
  await keys.press('Space');
  await page.waitForURL((url) => !url.search.includes('state='));

  await tabTo('grid');
  await keys.press('ArrowDown');
  const active = () => page.locator('stint-job-table .scroll').getAttribute('aria-activedescendant');
  await until(active, `row-${waiting.id}`);
  await keys.press('Space');
  await keys.press('ArrowDown');
  await until(active, `row-${running.id}`);
  await keys.press('Space');
  await page.getByText('2 selected').waitFor();

  await tabTo('view');
  await keys.press('ArrowDown');
  assert.equal(await focused(), 'cancel');
  await keys.press('Enter');
  await page.locator('stint-question textarea').waitFor();
  await tabTo('Cancel 2 jobs');
  await keys.press('Enter');
  for (const job of [running, waiting]) {
    await eventually(async () => (await rowOf(page, job.id)).status === 'Cancelled', `job ${job.id} is cancelled`);
  }
  assert.equal(await focused(), 'cancel', 'the focus is back where it was');
  await tabTo('grid', 'Shift+Tab');
  await keys.press('Escape');
  await keys.press('Enter');
  await page.waitForURL(`${server.url}jobs/${running.id}`);
  await close();
});

for (const colorScheme of ['light', 'dark']) {
  test(`axe finds nothing, and the page looks well: ${colorScheme}`, { skip }, async () => {
    const { page: open, close } = await openContext(browser, gallery, { colorScheme, reducedMotion: 'reduce' });
    const page = await open('jobs');
    await page.locator('.row').nth(12).waitFor();
    await page.getByRole('progressbar').first().waitFor();
    await picture(page, `jobs-${colorScheme}`);
    assert.deepEqual(await violations(page), [], 'the table');

    await page.locator('.row').nth(3).click();
    await page.locator('[data-action=details]').click();
    await page.locator('stint-job-details h2').waitFor();
    await picture(page, `jobs-details-${colorScheme}`);
    assert.deepEqual(await violations(page), [], 'with the details of a job');
    await page.locator('[data-action=details]').click();

    await page
      .locator('.row')
      .nth(5)
      .click({ modifiers: ['Control'] });
    await page.getByRole('button', { name: 'Filter as text' }).click();
    await page.getByLabel('Time of submission').selectOption('Between …');
    await picture(page, `jobs-filter-${colorScheme}`);
    assert.deepEqual(await violations(page), [], 'with rows selected and the filter open');

    await page.getByRole('button', { name: 'Columns' }).click();
    await picture(page, `jobs-columns-${colorScheme}`);
    assert.deepEqual(await violations(page), [], 'the columns');
    await page.keyboard.press('Escape');

    await page.locator('[data-action=cancel]').click();
    await page.locator('stint-question textarea').waitFor();
    await picture(page, `jobs-cancel-${colorScheme}`);
    assert.deepEqual(await violations(page), [], 'a question');
    await page.getByRole('button', { name: 'Not now' }).click();

    await page.goto(`${gallery.url}jobs?q=nothing-is-called-like-this`);
    await page.getByText('No job matches').waitFor();
    await picture(page, `jobs-none-${colorScheme}`);
    assert.deepEqual(await violations(page), [], 'an empty list');

    for (const [at, text] of [
      ['account', 'API tokens'],
      ['everybody', 'Sleep'],
      ['audit', 'Submit'],
    ]) {
      await page.goto(gallery.url + at);
      await page.getByText(text).first().waitFor();
      await picture(page, `${at}-${colorScheme}`);
      assert.deepEqual(await violations(page), [], at);
    }
    await page.goto(`${gallery.url}jobs/1`);
    await page.getByRole('button', { name: 'Share' }).click();
    await page.getByLabel('User').waitFor();
    await picture(page, `share-${colorScheme}`);
    assert.deepEqual(await violations(page), [], 'sharing a job');

    await close();
  });
}

test('fits a phone', { skip }, async () => {
  const phone = { viewport: { width: 390, height: 780 }, deviceScaleFactor: 2, hasTouch: true };
  const { page: open, close } = await openContext(browser, gallery, phone);
  const page = await open('jobs');
  await page.locator('.row').nth(3).waitFor();
  const wide = () => page.evaluate(() => document.documentElement.scrollWidth);
  assert.equal(await wide(), 390, 'nothing is wider than the screen');
  await picture(page, 'jobs-phone');
  await page.locator('.row .box').nth(1).tap();
  await page.locator('stint-action-bar').waitFor();
  assert.equal(await wide(), 390);
  await picture(page, 'jobs-phone-selected');
  assert.deepEqual(await violations(page), []);
  await close();
});

// fillGallery gives a server a day's work to show: jobs of every state.
async function fillGallery() {
  const put = await fetch(new URL('v1/workspace/reads/lambda.fasta', gallery.url), {
    method: 'PUT',
    body: '>lambda\nGGGCGGCGACCTCGCGGGTTTTCGCTATTTATGAAAATTTTCCGG\n',
  });
  assert.equal(put.ok, true);
  const stats = (outputName) =>
    gallery.submit({
      service: 'SequenceStats',
      outputName,
      parameters: { sequences: '/reads/lambda.fasta' },
      labels: { project: 'phage' },
    });
  const sleep = (outputName, seconds, more = {}) =>
    gallery.submit({ service: 'Sleep', outputName, parameters: { sleep_time: seconds }, ...more });
  for (const name of [
    'lambda-raw',
    'lambda-trimmed',
    'lambda-contigs',
    'lambda-polished',
    'phix-control',
    'phix-control-2',
    'ecoli-k12-subset',
    'coverage-check',
  ])
    await stats(name);
  const late = await sleep('overnight-alignment', 300, { resources: { timeLimit: '1s' } });
  const wrong = await sleep('wrong-reference', 300);
  await gallery.call('POST', `v1/jobs/${wrong.id}:cancel`, { id: wrong.id, reason: 'wrong reference' });
  const last = await stats('salmonella-plasmid');
  for (const job of [late, wrong, last]) await gallery.finished(job.id);
  for (const [i, name] of [
    'tree-of-12-strains',
    'annotation-of-run-7',
    'assembly-of-run-7',
    'assembly-of-run-8',
    'assembly-of-run-9',
  ].entries())
    await sleep(name, 120 + 60 * i);
  await eventually(
    async () => Number((await gallery.call('GET', 'v1/jobs:summarize')).summary.total.running) === 3,
    'three jobs run',
  );
}
