// The page of a job in Chromium: states, logs, results, and what may never become code.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { checkAccessible } from './lib/accessible.mjs';
import { launch, noBrowser, openContext, picture } from './lib/browser.mjs';
import { startServer } from './lib/server.mjs';
import { eventually, until } from './lib/until.mjs';

const skip = noBrowser();
const services = fileURLToPath(new URL('services', import.meta.url));
const evil = '<img src=x onerror="window.pwned=1"><script>window.pwned=1</script>';

let server;
let browser;
let done;
let failed;

before(async () => {
  if (skip) return;
  server = await startServer({ flags: ['--services', services, '--cpus', '8', '--output-head', '256M'] });
  browser = await launch();
  const submit = (parameters, outputName) => server.submit({ service: 'Showcase', parameters, outputName });
  [done, failed] = await Promise.all([
    submit({ title: evil.slice(0, 60), words: [evil] }, evil.replaceAll('/', '|').slice(0, 90)),
    submit({ title: 'It fails', fail: true }, 'it-fails'),
  ]);
  await Promise.all([server.finished(done.id), server.finished(failed.id)]);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

const pill = (page) => page.locator('stint-job-page .title .state').innerText();
const logLines = (page) => page.locator('stint-log-view .line').allInnerTexts();
const result = (page, path) => page.locator('stint-results li button').filter({ hasText: path }).click();

test('a completed job shows its results, and nothing in them is code', { skip }, async () => {
  const open = await openContext(browser, server);
  const page = await open.page(`jobs/${done.id}`);
  await until(() => pill(page), 'Completed');
  const table = page.locator('stint-table-view');
  await table.locator('tbody tr').first().waitFor();
  assert.equal(await table.locator('tbody tr').first().locator('td').last().innerText(), evil);
  await table.getByRole('button', { name: 'score' }).click();
  assert.equal(await table.locator('th[aria-sort=descending]').innerText(), 'score');
  const scores = (await table.locator('tbody td:nth-child(3)').allInnerTexts()).map(Number);
  assert.deepEqual(
    scores,
    scores.toSorted((a, b) => b - a),
  );
  await picture(page, 'job-completed-light');

  await result(page, 'table.csv');
  await until(
    () => page.locator('stint-table-view tbody td').allTextContents(),
    ['a', 'x "y"', '10', 'b', 'two\nlines', '9'],
  );
  await result(page, 'genes.gff');
  await until(() => page.locator('stint-features-view canvas').getAttribute('data-drawn'), '40');
  assert.equal(await page.locator('stint-features-view tbody tr').count(), 40);
  await picture(page, 'result-features');
  await result(page, 'seqs.fasta');
  await until(() => page.locator('stint-sequence-view summary b').allInnerTexts(), ['seq1', 'seq2']);
  assert.ok((await page.locator('stint-sequence-view .description').first().innerText()).includes(evil));
  await result(page, 'tree.nwk');
  await page.locator('stint-tree-view canvas[data-drawn]').waitFor();
  const [svg] = await Promise.all([page.waitForEvent('download'), page.getByText('Save as SVG').click()]);
  const drawn = await readFile(await svg.path(), 'utf8');
  for (const name of ['lambda', 'P22 &lt;b onclick=1&gt;', 'T4', 'T7', 'phi X174', 'M13'])
    assert.ok(drawn.includes(`>${name}</text>`), name);
  await picture(page, 'result-tree');
  await result(page, 'picture.svg');
  await eventually(
    () => page.locator('stint-result-view img').evaluate((img) => img.complete && img.naturalWidth > 0),
    'the image is there',
  );
  await result(page, 'report.html');
  const report = page.frameLocator('stint-result-view iframe');
  assert.equal(await report.locator('#p').innerText(), 'quiet', 'scripts of a report do not run');
  await result(page, 'notes.txt');
  await until(async () => (await page.locator('stint-result-view pre').innerText()).includes(evil), true);
  await result(page, 'onerror=window.pwned=1>.bin');
  await page.getByText('This kind of file cannot be shown here').waitFor();
  assert.ok((await page.locator('[data-parameter=words]').innerText()).includes(evil));
  assert.ok((await page.locator('h1').innerText()).includes('<script>'));

  const [zip] = await Promise.all([page.waitForEvent('download'), page.locator('[data-action=zip]').click()]);
  assert.match(zip.suggestedFilename(), /\.zip$/);
  assert.equal(await page.evaluate(() => window.pwned), undefined);
  await checkAccessible(page, 'a completed job');
  // The tree and the table are drawn by what axe sees too.
  await result(page, 'tree.nwk');
  await page.locator('stint-tree-view canvas[data-drawn]').waitFor();
  await checkAccessible(page, 'a tree');
  // The frame's own script is what the policy blocks.
  await open.close().catch((error) => {
    const others = (error.actual ?? [error]).filter(
      (line) => !/sandboxed|script-src|Content Security Policy|inline/.test(String(line)),
    );
    assert.deepEqual(others, []);
  });
});

test('a failed job says why, shows its error output and takes a report', { skip }, async () => {
  const open = await openContext(browser, server, { colorScheme: 'dark' });
  const page = await open.page(`jobs/${failed.id}`);
  await until(() => pill(page), 'Failed');
  assert.match(await page.locator('.banner').innerText(), /exit code 3/);
  await until(async () => (await logLines(page)).at(-1), 'ERROR: the show failed as it was told to');
  assert.ok((await logLines(page))[0].includes(evil), 'output is text');
  await page.locator('[data-action=error]').click();
  await until(() => page.locator('.line.hit').innerText(), 'ERROR: the show failed as it was told to');
  await picture(page, 'job-failed-dark');
  await checkAccessible(page, 'a failed job in the dark');

  await page.locator('[data-action=issue]').click();
  await page.getByLabel('What is wrong').fill(`It should not fail. ${evil}`);
  await page.getByRole('button', { name: 'Send the report' }).click();
  await page.getByText('Thank you. The report is number').waitFor();
  const { issues } = await server.call('GET', 'v1/admin/issues');
  assert.equal(issues[0].job.id, failed.id);
  assert.equal(issues[0].description, `It should not fail. ${evil}`);
  assert.equal(await page.evaluate(() => window.pwned), undefined);
  await open.close();
});

test('follows a job through its states and its log without a reload, and can be paused', { skip }, async () => {
  const { id } = await server.submit({
    service: 'Showcase',
    parameters: { title: 'Live', lines: 4000, rate: 0.02 },
    outputName: 'live',
  });
  const open = await openContext(browser, server);
  const page = await open.page(`jobs/${id}`);
  await until(() => pill(page), 'Running');
  await eventually(async () => (await logLines(page)).some((line) => /^line 30 of/.test(line)), 'the log grows');
  const bar = page.locator('stint-job-page [role=progressbar]');
  await eventually(async () => Number(await bar.getAttribute('aria-valuenow')) >= 5, 'progress is shown');
  await picture(page, 'job-running-light');
  await page.locator('[data-action=follow]').click();
  await until(() => page.locator('[data-action=follow]').innerText(), 'Follow');
  const paused = await logLines(page);
  const size = async () =>
    Number(
      (await (await fetch(new URL(`v1/jobs/${id}/logs/stdout?tailLines=1`, server.url))).text()).match(
        /"sizeBytes":\s*"(\d+)"/,
      )[1],
    );
  const then = await size();
  await eventually(async () => (await size()) > then + 200, 'the job writes on');
  assert.deepEqual(await logLines(page), paused, 'a paused log stands still');
  await page.locator('[data-action=follow]').click();
  await eventually(
    async () => (await logLines(page)).length > paused.length || (await logLines(page)).at(-1) !== paused.at(-1),
    'it goes on',
  );

  await page.locator('[data-action=cancel]').click();
  await page.getByRole('button', { name: 'Cancel the job' }).click();
  await until(() => pill(page), 'Cancelled');
  await open.close();
});

test('the server is killed and started again: state and log go on by themselves, without a gap', { skip }, async () => {
  const { id } = await server.submit({
    service: 'Showcase',
    parameters: { title: 'Survivor', lines: 150, rate: 0.05 },
    outputName: 'survivor',
  });
  const open = await openContext(browser, server);
  const page = await open.page(`jobs/${id}`);
  await eventually(async () => (await logLines(page)).some((line) => /^line 20 of/.test(line)), 'the log grows');
  await server.kill();
  await server.start();
  await until(() => pill(page), 'Completed');
  await until(async () => (await logLines(page)).at(-1), 'line 150 of 150');
  const numbers = (await logLines(page)).map((line) => Number(/^line (\d+) of/.exec(line)?.[1])).filter((n) => n > 0);
  assert.deepEqual(
    numbers,
    numbers.map((_, i) => numbers[0] + i),
  );
  await page.locator('stint-table-view tbody tr').first().waitFor();
  await open.close();
});

test('a large log is read in pieces: its end, its begin, any place and a search', { skip }, async () => {
  const { id } = await server.submit({
    service: 'Showcase',
    parameters: { title: 'Large', lines: 1_500_000 },
    outputName: 'large',
  });
  await server.finished(id);
  const open = await openContext(browser, server);
  const page = await open.page(`jobs/${id}`);
  await until(async () => (await logLines(page)).at(-1)?.split(' ')[0], '1500000', 'it begins at the end');
  const elements = await page.locator('stint-log-view .line').count();
  assert.ok(elements < 120, `${elements} lines are elements`);
  await page.getByRole('button', { name: 'To the start of the log' }).click();
  await until(async () => (await logLines(page))[0], 'begin of Large');
  await page.getByLabel('Search in this log').fill('1234567 acgt');
  await page.keyboard.press('Enter');
  await until(async () => (await page.locator('.line.hit').innerText()).split(' ')[0], '1234567');
  assert.match(await page.locator('.line.hit mark').innerText(), /^1234567 ACGT$/);
  const view = page.locator('stint-log-view .view');
  const first = async () => Number((await logLines(page))[0].split(' ')[0]);
  const before = await first();
  await eventually(async () => {
    await view.evaluate((el) => el.scrollBy(0, -el.clientHeight * 40));
    return (await first()) < before - 20_000;
  }, 'scrolling up loads what is before');
  const shown = (await logLines(page)).map((line) => Number(line.split(' ')[0]));
  assert.deepEqual(
    shown,
    shown.map((_, i) => shown[0] + i),
    'no line is missing',
  );
  await open.close();
});

test('what is not there says so', { skip }, async () => {
  const open = await openContext(browser, server);
  const page = await open.page('jobs/999999');
  await page.getByRole('heading', { name: 'There is no job 999999.' }).waitFor();
  await open.close();
});

test('fits a phone', { skip }, async () => {
  const open = await openContext(browser, server, {
    viewport: { width: 390, height: 844 },
    isMobile: true,
    hasTouch: true,
  });
  const page = await open.page(`jobs/${failed.id}`);
  await until(() => pill(page), 'Failed');
  const wide = () => page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
  assert.equal(await wide(), false);
  await picture(page, 'job-phone');
  await open.close();
});
