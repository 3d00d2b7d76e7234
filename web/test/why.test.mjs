// A failed job says why in the program's own words, and its files are found, linked and shown large.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { checkAccessible } from './lib/accessible.mjs';
import { launch, noBrowser, openContext, picture } from './lib/browser.mjs';
import { startServer } from './lib/server.mjs';
import { makeServices } from './lib/services.mjs';
import { eventually, until } from './lib/until.mjs';

const skip = noBrowser();
let services;
let server;
let browser;
const jobs = {};

before(async () => {
  if (skip) return;
  services = await makeServices();
  server = await startServer({ flags: ['--services', services.folder, '--cpus', '4', '--grace', '1s'] });
  browser = await launch();
  await fetch(new URL('v1/workspace/genomes/empty.fa', server.url), { method: 'PUT', body: '' });
  const crash = (how) => server.submit({ service: 'Crash', outputName: how, parameters: { how } });
  for (const how of ['exit', 'segv', 'silent', 'stdout']) jobs[how] = await crash(how);
  jobs.empty = await server.submit({ service: 'SequenceStats', parameters: { sequences: '/genomes/empty.fa' } });
  jobs.late = await server.submit({
    service: 'Sleep',
    outputName: 'late',
    parameters: { sleep_time: 600 },
    resources: { timeLimit: '1s' },
    labels: { plate: '7 b' },
  });
  jobs.many = await server.submit({ service: 'Many', outputName: 'many' });
  for (const job of Object.values(jobs)) await server.finished(job.id);
});

after(async () => {
  await browser?.close();
  await server?.stop();
  await services?.remove();
});

test('the reason is quoted from the log, and a click shows its line', { skip }, async () => {
  const open = await openContext(browser, server);
  const page = await open.page(`jobs/${jobs.exit.id}`);
  const quote = page.locator('stint-why blockquote');
  await until(
    () => quote.innerText(),
    'StepError: contig NODE_17 has 0 reads aligned; check that read1 and read2 belong together',
  );
  assert.equal(await page.locator('.banner > b').innerText(), 'The command ended with exit code 12.');
  await page.locator('stint-why').getByText('The program says:').waitFor();
  assert.doesNotMatch(await page.locator('.banner').innerText(), /error output says more/);
  await checkAccessible(page, 'a failed job with its reason');
  await picture(page, 'why-light');
  await page.getByRole('button', { name: 'Show it in the error output' }).click();
  await until(() => page.locator('.line.hit').innerText(), await quote.innerText());

  const quotes = {
    empty: 'sequences: empty.fa is empty',
    segv: 'bwa[17]: mem_process_seqs: assertion failed',
    stdout: 'ERROR: the reference has 3 sequences named chr1',
  };
  for (const [name, text] of Object.entries(quotes)) {
    await page.goto(`${server.url}jobs/${jobs[name].id}`);
    await until(async () => (await quote.innerText()).replace(/^.*?(?=sequences:)/, ''), text);
  }
  await page.getByRole('button', { name: 'Show it in the standard output' }).click();
  await until(() => page.locator('.line.hit').innerText(), quotes.stdout);
  await open.close();
});

test('a job that wrote nothing says so', { skip }, async () => {
  const open = await openContext(browser, server);
  const page = await open.page(`jobs/${jobs.silent.id}`);
  await page.getByText('The program wrote nothing, neither to its output nor to its error output.').waitFor();
  assert.doesNotMatch(await page.locator('.banner').innerText(), /says more/);
  await open.close();
});

test('the first error is found in whichever stream', { skip }, async () => {
  const open = await openContext(browser, server);
  const page = await open.page(`jobs/${jobs.exit.id}`);
  const chosen = () => page.locator('[role=tab][aria-selected=true]').innerText();
  await page.getByRole('tab', { name: 'Standard output' }).click();
  await page.getByText('calling variants').waitFor();
  await page.locator('[data-action=error]').click();
  await until(chosen, 'Error output');
  await until(async () => (await page.locator('.line.hit').innerText()).slice(0, 10), 'StepError:');

  await page.goto(`${server.url}jobs/${jobs.stdout.id}`);
  await page.locator('[data-action=error]').click();
  await until(chosen, 'Standard output');
  await until(() => page.locator('.line.hit').innerText(), 'ERROR: the reference has 3 sequences named chr1');
  await open.close();
});

test('a job that ran out of time is rerun with more in two clicks; its labels lead to others', { skip }, async () => {
  const open = await openContext(browser, server);
  const page = await open.page(`jobs/${jobs.late.id}`);
  await page.getByRole('link', { name: 'plate: 7 b' }).click();
  await until(() => page.locator('.row .cell.output_name').allInnerTexts(), ['late']);
  await page.goBack();
  await page.getByRole('link', { name: 'Rerun with 2 s (it had 1 s)' }).click();
  await until(() => page.getByLabel('Time limit').inputValue(), '2s');
  await page.getByRole('button', { name: 'Rerun' }).click();
  await page.waitForURL(/\/jobs\/\d+$/);
  const { job } = await server.call('GET', `v1/jobs/${page.url().split('/').at(-1)}`);
  assert.equal(job.resources.timeLimit, '2s');
  await open.close();
});

test('what the service names comes first, folders unfold, all files can be found', { skip }, async () => {
  const open = await openContext(browser, server);
  const page = await open.page(`jobs/${jobs.many.id}`);
  const listed = () => page.locator('[data-result]').evaluateAll((all) => all.map((b) => b.dataset.result));
  await until(listed, ['hits.tsv', 'contigs.fasta', 'tree.nwk']);
  await page.locator('stint-table-view tbody tr').first().waitFor();
  await page.getByText('bins/ 400 files').click();
  await until(async () => (await listed()).length, 203);
  await page.getByText('200 of 400 are listed.').waitFor();
  await page.getByRole('button', { name: 'List more' }).click();
  await until(async () => (await listed()).length, 403);
  await page.getByLabel('Find a file').fill('bin_377');
  await until(listed, ['bins/bin_377.txt']);
  await page.getByText('1 of 403 files').waitFor();
  await page.locator('[data-result="bins/bin_377.txt"]').click();
  await until(() => page.locator('stint-result-view pre').innerText(), '>b377\n');
  assert.equal(new URL(page.url()).searchParams.get('result'), 'bins/bin_377.txt');

  await page.reload();
  await until(() => page.locator('stint-result-view pre').innerText(), '>b377\n');
  await page.setViewportSize({ width: 1366, height: 768 });
  const { width } = await page.locator('stint-result-view').boundingBox();
  assert.ok(width > 850, `a result has ${width} px`);
  await page.locator('stint-results [data-action=full]').click();
  await eventually(
    () => page.locator('stint-result-view').evaluate((view) => view.getBoundingClientRect().width > innerWidth - 60),
    'it has the whole screen',
  );
  await open.close();
});
