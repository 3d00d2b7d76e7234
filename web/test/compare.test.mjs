// Two jobs beside each other: what differs, in parameters, runs, tables and output.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { checkAccessible } from './lib/accessible.mjs';
import { launch, noBrowser, openContext, picture } from './lib/browser.mjs';
import { importSource } from './lib/bundle.mjs';
import { startServer } from './lib/server.mjs';
import { until } from './lib/until.mjs';

const skip = noBrowser();
const services = fileURLToPath(new URL('../../internal/e2e/testdata/truth-services', import.meta.url));

test('tables are joined by their first column, columns by their names', async () => {
  const { joinTables } = await importSource('compare/differences.ts');
  const table = (head, ...body) => ({ notes: [], uneven: 0, broken: false, head, body });
  const one = table(
    ['gene', 'score', 'what', 'old'],
    ['a', '1', 'x', 'o'],
    ['b', '2.0', 'y', 'o'],
    ['b', '3', 'y', 'o'],
    ['c', '4', 'z', 'o'],
  );
  const two = table(
    ['gene', 'what', 'score', 'new'],
    ['b', 'y', '2', 'n'],
    ['a', 'x', '1.5', 'n'],
    ['b', 'y', '3', 'n'],
    ['d', 'w', '9', 'n'],
  );
  const joined = joinTables(one, two);
  assert.deepEqual([joined.changed, joined.same, joined.onlyOne, joined.onlyTwo], [3, 0, 1, 1]);
  assert.deepEqual(joined.table.head, [
    'gene',
    'Row',
    'score (first)',
    'score (second)',
    'what (first)',
    'what (second)',
    'old (first)',
    'old (second)',
    'new (first)',
    'new (second)',
  ]);
  assert.deepEqual(joined.table.body[0].slice(0, 4), ['a', 'changed', '1', '1.5']);
  assert.deepEqual(joined.table.body.at(-2), ['c', 'only the first', '4', '', 'z', '', 'o', '', '', '']);
  assert.deepEqual(joined.table.body.at(-1), ['d', 'only the second', '', '9', '', 'w', '', '', '', 'n']);
  // Numbers are the same by value, rows of one key in their order, and a column without differences stands once.
  const same = joinTables(
    table(['k', 'n', 'w'], ['a', '1.0', 'x'], ['a', '2', 'x']),
    table(['k', 'n', 'w'], ['a', '1', 'x'], ['a', '3', 'x']),
  );
  assert.deepEqual([same.same, same.changed, same.table.head], [1, 1, ['k', 'Row', 'n (first)', 'n (second)', 'w']]);
  assert.deepEqual(same.table.body, [['a', 'changed', '2', '3', 'x']]);
  assert.deepEqual(joinTables(table([]), table([])).table.body, []);
});

test('parameters are compared by the names that lead to them', async () => {
  const { parameterPairs, differs } = await importSource('compare/differences.ts');
  const specs = [
    { id: 'libs', label: 'Libraries', group: [{ id: 'insert', label: 'Insert size' }] },
    { id: 'fast', label: 'Fast' },
  ];
  const pairs = parameterPairs(
    { parameters: { fast: true, libs: [{ insert: 350 }, { insert: 500 }], other: '' } },
    { parameters: { fast: false, libs: [{ insert: 350 }] } },
    specs,
  );
  assert.deepEqual(pairs, [
    { label: 'Libraries 1, Insert size', one: '350', two: '350' },
    { label: 'Libraries 2, Insert size', one: '500', two: undefined },
    { label: 'Fast', one: 'yes', two: 'no' },
    { label: 'other', one: 'nothing', two: undefined },
  ]);
  assert.deepEqual(pairs.map(differs), [false, true, true, true]);
});

let server;
let browser;
const ids = [];

before(async () => {
  if (skip) return;
  server = await startServer({ flags: ['--services', services, '--cpus', '4'] });
  browser = await launch();
  for (const [s, code] of [
    ['apple', 0],
    ['<b>pear</b>', 3],
  ]) {
    const script = `printf 'gene\\tscore\\na\\t1\\nb\\t%s\\n' "\${#STINT_PARAM_s}" >scores.tsv; seq 40; echo "it is $STINT_PARAM_s"; seq 40; exit ${code}`;
    const { job } = await server.call('POST', 'v1/jobs', {
      job: { service: 'Sh', outputName: `run ${ids.length + 1}`, parameters: { script, s } },
    });
    ids.push(job.id);
    await until(
      async () => (await server.call('GET', `v1/jobs/${job.id}`)).job.state,
      code ? 'STATE_FAILED' : 'STATE_COMPLETED',
    );
  }
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

test('two runs are compared in three clicks', { skip }, async () => {
  const open = await openContext(browser, server);
  const page = await open.page('jobs');
  const row = (n) =>
    page
      .getByRole('row')
      .filter({ hasText: `run ${n}` })
      .locator('.status')
      .first();
  await row(1).click();
  await row(2).click({ modifiers: ['Control'] });
  await page.locator('[data-action=compare], button:has-text("Compare")').first().click();
  await page.waitForURL(`**/compare/${ids[0]}/${ids[1]}`);
  const of = (label) => page.locator('tr', { has: page.locator(`th:text-is("${label}")`) }).first();
  await of('S').waitFor();
  assert.deepEqual(await of('S').locator('td').allInnerTexts(), ['apple', '<b>pear</b>']);
  assert.match(await of('S').getAttribute('class'), /differs/);
  assert.deepEqual(await of('State').locator('td').allInnerTexts(), ['Completed', 'Failed']);
  assert.deepEqual(await of('Exit code').locator('td').allInnerTexts(), ['0', '3']);
  const files = page.locator('stint-compare-files');
  await files.getByText('1 rows differ, 1 are the same').waitFor();
  assert.deepEqual(await files.locator('stint-table-view tbody tr').first().locator('td').allInnerTexts(), [
    'b',
    'changed',
    '5',
    '11',
  ]);
  const logs = page.locator('stint-compare-logs');
  await until(
    async () => (await logs.locator('.one, .two').allInnerTexts()).join('|'),
    '-it is apple|+it is <b>pear</b>',
  );
  await logs.getByRole('button', { name: 'Error output' }).click();
  await logs.getByText('No difference').waitFor();
  await picture(page, 'compare');
  await checkAccessible(page, 'two jobs');
  await page.getByRole('link', { name: 'Swap' }).click();
  await until(() => of('State').locator('td').allInnerTexts(), ['Failed', 'Completed']);
  await open.close();
});

test('a rerun leads to what it has changed; jobs that are not there say so', { skip }, async () => {
  const { job } = await server.call('POST', `v1/jobs/${ids[0]}:rerun`, { id: ids[0] });
  await until(async () => (await server.call('GET', `v1/jobs/${job.id}`)).job.state, 'STATE_COMPLETED');
  const open = await openContext(browser, server);
  const page = await open.page(`jobs/${job.id}`);
  await page.getByRole('link', { name: 'what differs' }).click();
  await page.getByText('All parameters are the same.').waitFor();
  await page.locator('stint-compare-files').getByText('0 rows differ, 2 are the same').waitFor();
  await page.goto(new URL(`jobs/${ids[0]}`, server.url).href);
  await page.getByRole('link', { name: `job ${job.id}` }).waitFor(); // and the other way
  await page.goto(new URL(`compare/${ids[0]}/9999`, server.url).href);
  await page.getByRole('heading', { name: `There is no job ${ids[0]}, or no job 9999.` }).waitFor();
  await open.close();
});
