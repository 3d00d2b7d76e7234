// The viewers of results with as much as real analyses make: all of it is shown, and one gets on from it.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { checkAccessible } from './lib/accessible.mjs';
import { launch, noBrowser, openContext, picture } from './lib/browser.mjs';
import { startServer } from './lib/server.mjs';
import { until } from './lib/until.mjs';

const skip = noBrowser();
const services = fileURLToPath(new URL('../../internal/e2e/testdata/truth-services', import.meta.url));
const rows = 200_000;

// The numbers of the table are a permutation of 0 to 199,999; the tree is balanced with short and long branches.
const script = `
awk 'BEGIN { OFS = "\\t"; print "name", "value", "empty"; for (i = 0; i < ${rows}; i++) print "row" i, (i * 7919) % ${rows}, (i % 4 ? i : "") }' >large.tsv
awk 'BEGIN { print "##gff-version 3"; for (i = 0; i < 50000; i++) printf "chr1\\tx\\t%s\\t%d\\t%d\\t.\\t%s\\t.\\tID=g%d;product=protein %d\\n", (i % 3 ? "CDS" : "tRNA"), i * 100 + 1, i * 100 + 80, (i % 2 ? "+" : "-"), i, i; print "plasmid\\tx\\tCDS\\t1\\t90\\t.\\t+\\t.\\tID=p" }' >many.gff
awk 'function t(n, i) { if (n == 1) { printf "leaf%d:%g", k++, 0.1 + k % 7; return } printf "("; t(n / 2); printf ","; t(n / 2); printf ")%d:0.5", n % 100 } BEGIN { t(4096); print ";" }' >large.nwk
awk 'BEGIN { x = "x"; for (i = 0; i < 17; i++) x = x x; print "id\tletters"; for (i = 1; i <= 600; i++) print i "\t" x }' >wide.tsv
`;

let server;
let browser;
let id;

before(async () => {
  if (skip) return;
  server = await startServer({ flags: ['--services', services, '--cpus', '4'] });
  browser = await launch();
  const { job } = await server.call('POST', 'v1/jobs', { job: { service: 'Sh', parameters: { script } } });
  id = job.id;
  await until(async () => (await server.call('GET', `v1/jobs/${id}`)).job.state, 'STATE_COMPLETED');
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

const open = async (name, options) => {
  const context = await openContext(browser, server, options);
  return { context, page: await context.page(`jobs/${id}?result=${name}`) };
};
const drawn = async (page) => Number(await page.locator('stint-zoom-canvas canvas').getAttribute('data-drawn'));

test('a table of 200,000 rows is sorted and filtered as a whole', { skip }, async () => {
  const { context, page } = await open('large.tsv');
  const view = page.locator('stint-table-view');
  const column = (n) => view.locator(`tbody td:nth-child(${n})`).allInnerTexts();
  await view.getByText('Rows 1 to 200 of 200,000').waitFor();
  await view.getByRole('button', { name: 'value' }).click();
  await until(async () => (await column(2)).join(), Array.from({ length: 200 }, (_, i) => rows - 1 - i).join());
  await view.getByRole('button', { name: 'Last', exact: true }).click();
  await until(async () => (await column(2)).join(), Array.from({ length: 200 }, (_, i) => 199 - i).join());
  await view.getByRole('button', { name: 'empty' }).click();
  await view.getByRole('button', { name: 'Last', exact: true }).click();
  await until(async () => (await column(3)).join(''), ''); // what is empty is at the end
  await view.getByLabel('Filter rows').fill('row12345');
  await until(
    () => column(1),
    [
      'row123456',
      'row123457',
      'row123458',
      'row123459',
      'row123453',
      'row123454',
      'row123455',
      'row123451',
      'row123450',
      'row123452',
      'row12345',
    ].toSorted((a, b) => order(a) - order(b)),
  ); // prettier-ignore
  assert.equal(await view.getByText('alone: the rest may have other rows').count(), 0);
  await checkAccessible(page, 'a large table');
  await context.close();
});

// Sorted by the third column, numbers from the largest, empty ones last and in the order of the file.
function order(name) {
  const i = Number(name.slice(3));
  return i % 4 ? -i : 1 + i;
}

test('a table that is a part of its file says so at its count, and when it is sorted or filtered', {
  skip,
}, async () => {
  const { context, page } = await open('wide.tsv'); // 600 rows of 128 KiB: 75 MiB
  const table = page.locator('stint-table-view');
  await table.locator('tbody tr').first().waitFor();
  // 511 rows and a part of one are in 64 MiB.
  assert.match(
    await table.locator('.tools [role=status]').innerText(),
    /^511 rows in the first 64\.0 MiB of 75\.0 MiB$/,
  );
  assert.match(await table.locator('tbody td').nth(1).innerText(), /^x{1000}… 131,072 letters$/);
  assert.equal(await table.locator('.warning').count(), 0);
  await table.getByRole('button', { name: 'id' }).click();
  await table.getByText('Sorted is the first 64.0 MiB').waitFor();
  await until(() => table.locator('tbody td').first().innerText(), '511');
  await table.getByRole('button', { name: 'id' }).click();
  await table.getByRole('button', { name: 'id' }).click();
  await until(() => table.locator('.warning').count(), 0);
  await table.getByLabel('Filter rows').fill('511');
  await table.getByText('Filtered is the first 64.0 MiB').waitFor();
  await context.close();
});

test('a tree of 4,096 leaves is magnified, searched, folded, rooted elsewhere and saved', { skip }, async () => {
  const { context, page } = await open('large.nwk');
  const view = page.locator('stint-tree-view');
  await view.locator('canvas[data-drawn]').waitFor();
  assert.equal(await view.locator('canvas').getAttribute('aria-label'), 'Tree with 4,096 leaves');
  const all = await drawn(page);
  for (let i = 0; i < 8; i++) await view.getByRole('button', { name: 'Closer' }).click();
  await until(async () => (await drawn(page)) < all / 2, true);
  await view.locator('canvas').press('0');
  await until(() => drawn(page), all);
  await view.getByLabel('Find a name').fill('leaf409');
  await view.getByText('7 found').waitFor(); // leaf409 and leaf4090 to leaf4095
  await view.getByRole('button', { name: 'Next' }).click();
  await view.locator('.chosen b', { hasText: /^leaf409$/ }).waitFor();
  await until(async () => (await drawn(page)) < all / 2, true);
  await picture(page, 'result-tree-large');
  await view.getByRole('button', { name: 'Its parent' }).click();
  await view.locator('.chosen', { hasText: '2 leaves' }).waitFor();
  await view.getByRole('button', { name: 'Fold', exact: true }).click();
  await view.getByText('4,096 leaves, drawn as 4,095').waitFor();
  await view.getByRole('button', { name: 'Root here' }).click();
  await view.getByRole('button', { name: 'As in the file' }).waitFor();
  const [file] = await Promise.all([page.waitForEvent('download'), view.getByText('Save as Newick').click()]);
  const text = await readFile(await file.path(), 'utf8');
  assert.equal(text.match(/leaf\d+/g).length, 4096);
  assert.match(text, /^\(\(leaf408:[\d.]+,leaf409:[\d.]+\)2:0\.25,/);
  await checkAccessible(page, 'a large tree');
  await view.getByRole('button', { name: 'As in the file' }).click();
  await view.getByRole('button', { name: 'As in the file' }).waitFor({ state: 'detached' });
  await context.close();
});

test('a map of 50,000 features draws what is in sight, and leads to its table and back', { skip }, async () => {
  const { context, page } = await open('many.gff');
  const view = page.locator('stint-features-view');
  await view.locator('canvas[data-drawn]').waitFor();
  assert.ok((await drawn(page)) <= 2000, `${await drawn(page)} shapes for 50,000 features`);
  const box = await view.locator('canvas').boundingBox();
  for (let i = 0; i < 12; i++) await view.getByRole('button', { name: 'Closer' }).click();
  await until(async () => (await drawn(page)) < 300, true);
  const before = await view.locator('canvas').screenshot();
  await page.mouse.move(box.x + box.width / 2, box.y + 20);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width / 4, box.y + 20, { steps: 5 });
  await page.mouse.up();
  await until(async () => before.equals(await view.locator('canvas').screenshot()), false);
  assert.ok((await drawn(page)) < 300);
  // From the table to the map, and the other way.
  await view.getByLabel('Filter rows').fill('protein 40123');
  await view.getByRole('button', { name: 'protein 40123' }).click();
  await view.locator('.chosen', { hasText: '4,012,301 to 4,012,380' }).waitFor();
  await view.getByLabel('Filter rows').fill('protein 7');
  await page.mouse.click(box.x + box.width / 2, (await view.locator('canvas').boundingBox()).y + 14);
  await view.locator('tr[aria-current] button').waitFor();
  assert.equal(await view.locator('tr[aria-current] button').innerText(), 'protein 40123');
  await picture(page, 'result-features-large');
  await checkAccessible(page, 'a large map');
  await view.getByLabel('Sequence').fill('plasmid');
  await view.getByLabel('Sequence').press('Enter');
  await until(() => view.locator('tbody tr').count(), 1);
  await context.close();
});
