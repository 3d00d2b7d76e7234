// Nothing that is shown is wrong, and nothing is left out in silence: tables, forms, logs, trees and clocks in Chromium.
import assert from 'node:assert/strict';
import { symlink } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { checkAccessible } from './lib/accessible.mjs';
import { launch, noBrowser, openContext } from './lib/browser.mjs';
import { importSource } from './lib/bundle.mjs';
import { startServer } from './lib/server.mjs';
import { until } from './lib/until.mjs';

const skip = noBrowser();
const services = fileURLToPath(new URL('../../internal/e2e/testdata/truth-services', import.meta.url));

let server;
let browser;

before(async () => {
  if (skip) return;
  server = await startServer({ flags: ['--services', services, '--cpus', '4'] });
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

/** Runs a script as a job, to its end, and answers its id. */
async function run(script, state = 'STATE_COMPLETED') {
  const { job } = await server.call('POST', 'v1/jobs', { job: { service: 'Sh', parameters: { script } } });
  await until(async () => (await server.call('GET', `v1/jobs/${job.id}`)).job.state, state);
  return job.id;
}

test('a table has all of its cells, under the headings that the file gives them', async () => {
  const { readTable } = await importSource('results/parse-table.ts');
  const cases = [
    // R's write.table: a header that is one short.
    [
      'x\ty\ng1\t1\t2\ng2\t3\t4\n',
      '\t',
      ['', 'x', 'y'],
      [
        ['g1', '1', '2'],
        ['g2', '3', '4'],
      ],
      0,
      [],
    ],
    // Semicolons where the comma is for decimals, quoted ones among them.
    ['a;b\n1,5;"2;5"\n', ',', ['a', 'b'], [['1,5', '2;5']], 0, []],
    ['a;b\n1,5;2\n', '\t', ['a', 'b'], [['1,5', '2']], 0, []],
    ['a,b\n1,2\n', '\t', ['a', 'b'], [['1', '2']], 0, []],
    // Rows that are longer and shorter than the header.
    ['a\tb\n1\n1\t2\t3\t4\n1\t2\n', '\t', ['a', 'b', '', ''], [['1'], ['1', '2', '3', '4'], ['1', '2']], 2, []],
    // Comments in front, and names of columns that begin with #.
    ['# made by x\n# two\na\tb\n1\t2\n', '\t', ['a', 'b'], [['1', '2']], 0, ['# made by x', '# two']],
    ['##format=1\n#CHROM\tPOS\nc\t1\n', '\t', ['#CHROM', 'POS'], [['c', '1']], 0, ['##format=1']],
    ['\ufeffa,b\n1,2\n', ',', ['a', 'b'], [['1', '2']], 0, []],
    ['only\n', '\t', ['only'], [], 0, []],
    ['', ',', [], [], 0, []],
    ['a,b;c\n1,2;3\n', ',', ['a', 'b;c'], [['1', '2;3']], 0, []],
  ];
  for (const [text, separator, head, body, uneven, notes] of cases)
    assert.deepEqual(readTable(text, separator), { notes, head, body, uneven, broken: false }, JSON.stringify(text));
});

test('the table of a result shows each cell, and says which rows do not fit', { skip }, async () => {
  const id = await run(
    "printf 'logFC\\tPValue\\tFDR\\ngeneA\\t1.5\\t0.01\\t0.02\\n' >deseq.tsv; printf 'a;b;c\\n1,5;2;3\\n' >de.csv; printf 'a\\tb\\n1\\t2\\t3\\nx\\n' >odd.tsv",
  );
  const open = await openContext(browser, server);
  const page = await open.page(`jobs/${id}`);
  const cells = () => page.locator('stint-table-view td').allInnerTexts();
  const heads = () => page.locator('stint-table-view th').allInnerTexts();
  for (const [name, head, body] of [
    ['deseq.tsv', ['Column 1', 'logFC', 'PValue', 'FDR'], ['geneA', '1.5', '0.01', '0.02']],
    ['de.csv', ['a', 'b', 'c'], ['1,5', '2', '3']],
    ['odd.tsv', ['a', 'b', 'Column 3'], ['1', '2', '3', 'x', '', '']],
  ]) {
    await page.locator(`[data-result="${name}"]`).click();
    await until(async () => (await heads()).map((h) => h.trim()).join(), head.join());
    assert.deepEqual(await cells(), body, name);
  }
  await page.getByText('2 rows have more or fewer cells than there are names of columns').waitFor();
  await checkAccessible(page, 'a table with rows that do not fit');
  await open.close?.();
});

test('text with several lines stays in several lines', { skip }, async () => {
  const open = await openContext(browser, server);
  const page = await open.page('submit/Sh');
  const input = (name) => page.locator(`stint-field[path="parameters.${name}"]`).locator('#input');
  const paste = (name, text) =>
    input(name).evaluate((element, data) => {
      const transfer = new DataTransfer();
      transfer.setData('text/plain', data);
      element.focus();
      element.dispatchEvent(new ClipboardEvent('paste', { clipboardData: transfer, bubbles: true, cancelable: true }));
    }, text);
  await input('script').fill('printf %s "$STINT_PARAM_s" >s');
  await input('s').fill('<old>');
  await input('s').selectText();
  await paste('s', '>a\r\nACGT\r\n>b\nTTTT');
  await until(() => input('s').inputValue(), '>a\nACGT\n>b\nTTTT');
  assert.equal(await input('s').evaluate((e) => e.tagName), 'TEXTAREA');
  await page.keyboard.type('GG'); // behind what was pasted
  await until(() => input('s').inputValue(), '>a\nACGT\n>b\nTTTTGG');
  await input('script').press('End');
  await input('script').press('Shift+Enter'); // lines can be typed, too
  await page.keyboard.type('exit 0');
  await until(() => input('script').inputValue(), 'printf %s "$STINT_PARAM_s" >s\nexit 0');
  await checkAccessible(page, 'a form with lines');
  await page.getByRole('button', { name: 'Submit' }).click();
  await page.waitForURL(/\/jobs\/\d+$/);
  const id = page.url().split('/').at(-1);
  const { job } = await server.call('GET', `v1/jobs/${id}`);
  assert.deepEqual(job.parameters, { s: '>a\nACGT\n>b\nTTTTGG', script: 'printf %s "$STINT_PARAM_s" >s\nexit 0' });
  // A rerun keeps them.
  await page.goto(new URL(`submit/Sh?rerun=${id}`, server.url).href);
  const again = await server.call('POST', `v1/jobs/${id}:rerun`, { id });
  assert.deepEqual(again.job.parameters, job.parameters);
});

test('a line that was drawn over itself shows its last version, however long it is', async () => {
  const { startOf } = await importSource('job/ansi.ts');
  const text = ({ pieces }) => pieces.map((p) => p.text).join('');
  const bars = (start) => Array.from({ length: 1000 }, (_, i) => `${start}progress ${i + 1} of 1000 [....]`).join('');
  for (const start of ['\r', '\x1b[1G', '\x1b[G', '\x1b[2K\r', '\x1b[2K\x1b[1G'])
    assert.equal(text(startOf(bars(start), 5000)), 'progress 1000 of 1000 [....]', JSON.stringify(start));
  assert.equal(text(startOf(`${bars('\r')}\r`, 5000)), 'progress 1000 of 1000 [....]', 'a return at the end');
  // What has no width does not count, and no sequence is cut in two.
  const coloured = '\x1b[38;2;10;20;30mx\x1b[0m'.repeat(5000);
  assert.deepEqual([text(startOf(coloured, 5000)), startOf(coloured, 5000).more], ['x'.repeat(5000), 0]);
  assert.deepEqual([text(startOf('y'.repeat(5007), 5000)).length, startOf('y'.repeat(5007), 5000).more], [5000, 7]);
  assert.equal(text(startOf('', 5000)), '');
});

test('the log of a job with a progress bar shows the end of it', { skip }, async () => {
  const id = await run('i=0; while [ $i -lt 1000 ]; do i=$((i+1)); printf "\\rprogress $i of 1000 [....]"; done; echo');
  const open = await openContext(browser, server);
  const page = await open.page(`jobs/${id}`);
  await page.getByText('progress 1000 of 1000').first().waitFor();
  assert.equal(await page.getByText('more', { exact: false }).filter({ hasText: 'KiB more' }).count(), 0);
});

test('names in trees are as they were given', async () => {
  const { parseNewick } = await importSource('results/newick.ts');
  const leaves = (text) => parseNewick(text).children.map((c) => c.name);
  for (const name of ['NC_001416.1', 'a__b_', '_x', "it's_a", 'x:1_2', 'a b']) {
    const quoted = /[\s':]/.test(name) ? `'${name.replaceAll("'", "''")}'` : name;
    assert.deepEqual(leaves(`(${quoted}:0.1,z:0.2);`), [name, 'z']);
  }
});

test('what took how long does not depend on the clock of the browser', { skip }, async () => {
  const { job } = await server.call('POST', 'v1/jobs', { job: { service: 'Sh', parameters: { script: 'sleep 60' } } });
  await until(async () => (await server.call('GET', `v1/jobs/${job.id}`)).job.state, 'STATE_RUNNING');
  for (const hours of [3, -3, 24 * 400]) {
    const open = await openContext(browser, server);
    const page = await open.page('account');
    await page.addInitScript((shift) => {
      const real = Date.now.bind(Date);
      Date.now = () => real() + shift;
    }, hours * 3600e3);
    await page.goto(new URL(`jobs/${job.id}`, server.url).href);
    const elapsed = page.getByText(/^\d+ s$|^1 m \d\d s$/).first();
    await elapsed.waitFor();
    await page.goto(new URL('jobs', server.url).href);
    await page
      .getByText(/^\d+ s$|^1 m \d\d s$/)
      .first()
      .waitFor();
    assert.equal(await page.getByText(/\d h \d\d m|\d d \d\d h/).count(), 0, `${hours} hours`);
    // The pages of operators and of everybody, whose rows say since when.
    for (const at of ['queue', 'everybody']) {
      await page.goto(new URL(at, server.url).href);
      const since = page.locator('stint-queue tbody time').first();
      await since.waitFor();
      const words = await since.innerText();
      assert.match(words, /^\d+ s$|^[12] m \d\d s$/, `${at} with a clock that is ${hours} hours ahead`);
    }
  }
  await server.call('POST', `v1/jobs/${job.id}:cancel`, { id: job.id });
});

test('a job says what of a folder it was not given', { skip }, async () => {
  const { user } = await server.call('GET', 'v1/auth/whoami');
  await fetch(new URL('v1/workspace/linked/x', server.url), { method: 'PUT', body: 'x' });
  await symlink('/etc/passwd', path.join(server.folder, 'workspace', user, 'linked', 'out'));
  const { job } = await server.call('POST', 'v1/jobs', {
    job: { service: 'Sh', parameters: { script: 'ls "$STINT_PARAM_dir"', dir: '/linked' } },
  });
  await until(async () => (await server.call('GET', `v1/jobs/${job.id}`)).job.state, 'STATE_COMPLETED');
  const open = await openContext(browser, server);
  const page = await open.page(`jobs/${job.id}`);
  const words = await page.getByText('Left out of the folder').innerText();
  assert.match(words, /^Left out of the folder \/linked, given for the parameter dir: "out" \(/);
});
