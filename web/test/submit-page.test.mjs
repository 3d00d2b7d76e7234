// Forms, the workspace and the operators' page in Chromium.
import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { checkAccessible } from './lib/accessible.mjs';
import { launch, noBrowser, openContext, picture } from './lib/browser.mjs';
import { startServer } from './lib/server.mjs';
import { until } from './lib/until.mjs';

const skip = noBrowser();
const services = fileURLToPath(new URL('services', import.meta.url));

let server;
let browser;

before(async () => {
  if (skip) return;
  server = await startServer({
    flags: ['--services', services, '--cpus', '4', '--quota', '50M', '--gpus', '1', '--resources', 'matlab=2'],
  });
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

const field = (page, path) => page.locator(`stint-field[path="${path}"]`);
const error = (page, path) => field(page, path).locator('.error').first();
const file = (name, text) => ({ name, mimeType: 'text/plain', buffer: Buffer.from(text) });
const put = (at, text) => fetch(new URL(`v1/workspace/${at}`, server.url), { method: 'PUT', body: text });

test('a form shows what is wrong at the fields, then submits', { skip }, async () => {
  const open = await openContext(browser, server);
  const page = await open.page('services');
  await page.getByLabel('Find a service').fill('show');
  await picture(page, 'services-light');
  await checkAccessible(page, 'the catalog');
  await page.getByRole('link', { name: /^Showcase/ }).click();
  await page.getByLabel('Title').fill('ab');
  await page.getByLabel('Lines', { exact: true }).fill('many');
  await field(page, 'parameters.library').getByRole('button', { name: 'Add' }).click();
  await field(page, 'parameters.library[0].insert').locator('input').fill('0');
  await page.getByText('Resources, priority and labels').click();
  await page.getByLabel('Cores').fill('99');
  await page.getByRole('button', { name: 'Submit' }).click();
  await until(() => error(page, 'parameters.title').innerText(), 'Must have at least 3 characters, not 2.');
  assert.match(await error(page, 'parameters.lines').innerText(), /whole number/);
  assert.match(await error(page, 'parameters.library[0].name').innerText(), /^Is required/);
  assert.match(await error(page, 'parameters.library[0].insert').innerText(), /at least 1/);
  assert.equal(await page.getByLabel('Title').getAttribute('aria-invalid'), 'true');
  await picture(page, 'submit-violations-light');
  await checkAccessible(page, 'a form with mistakes');
  await page.getByRole('button', { name: /^Library 1, Name:/ }).click();
  await page.keyboard.type('lib one');
  await until(() => field(page, 'parameters.library[0].name').locator('input').inputValue(), 'lib one');

  await page.getByLabel('Title').fill('<b>Fine</b>');
  await page.getByLabel('Lines', { exact: true }).fill('7');
  await field(page, 'parameters.library[0].insert').locator('input').fill('250');
  await page.getByRole('button', { name: 'Check only' }).click();
  await page.getByText('is 99 cores, and there are').first().waitFor();
  await page.getByLabel('Cores').fill('2');
  await page.getByLabel('GPUs').fill('3');
  await page.getByLabel('Other resources').fill('matlab=1, oracle=1');
  await page.getByRole('button', { name: 'Check only' }).click();
  await page.getByText('is 3 GPUs, and there are 1').first().waitFor();
  assert.match(await error(page, 'resources.gpus').innerText(), /^Is 3 GPUs, and there are 1/);
  await page.getByLabel('GPUs').fill('1');
  await page.getByRole('button', { name: 'Check only' }).click();
  await page.getByText('is 1 of oracle, and the executor has none').first().waitFor();
  assert.match(await error(page, 'resources.named').innerText(), /^Oracle is 1 of oracle/);
  await page.getByLabel('Other resources').fill('matlab=1');
  await page.locator('stint-file-field input[type=file]').first().setInputFiles(file('reads.txt', 'ACGT'));
  await until(() => field(page, 'parameters.input').locator('input[type=text]').inputValue(), '/uploads/reads.txt');
  await page.getByLabel('Output name').fill('from-the-form');
  await page.getByLabel('Labels').fill('project=web, run=1');
  await page.getByRole('button', { name: 'Check only' }).click();
  await page.getByText('All is well: the job could be submitted.').waitFor();
  assert.match(await page.locator('.would').innerText(), /2 cores.*1 GPU, matlab=1/);
  assert.match(await page.locator('.would').innerText(), /It should start \S/);
  await picture(page, 'submit-check-light');
  const before = await server.call('GET', 'v1/jobs');
  assert.equal(before.jobs.length, 0, 'a check submits nothing');
  await page.getByRole('button', { name: 'Submit' }).click();
  await page.waitForURL(/\/jobs\/\d+$/);
  const { job } = await server.call('GET', `v1/jobs/${page.url().split('/').at(-1)}`);
  assert.deepEqual(job.parameters, {
    title: '<b>Fine</b>',
    lines: 7,
    rate: 0,
    fail: false,
    colour: 'teal',
    input: '/uploads/reads.txt',
    library: [{ name: 'lib one', insert: 250 }],
  });
  assert.equal(job.outputName, 'from-the-form');
  assert.equal(job.resources.cpus, 2);
  assert.deepEqual(job.labels, { project: 'web', run: '1' });
  await until(() => page.locator('h1').innerText(), 'from-the-form');
  await open.close();
});

test('a form says what may not be named of a cluster', { skip }, async () => {
  const cluster = await startServer({
    prepare: async ({ folder }) => {
      const config = `${folder}.yaml`;
      const commands = ['sbatch', 'squeue', 'sacct', 'scancel', 'scontrol'].map((name) => `${name}: /bin/false`);
      const allow = '[{users: ["*"], accounts: [phages]}]';
      await writeFile(
        config,
        `executor: hpc\nclusters: {hpc: {account: lab, allow: ${allow}, commands: {${commands.join(', ')}}}}\n`,
      );
      return ['--config', config];
    },
  });
  const open = await openContext(browser, cluster);
  const page = await open.page('submit/Date');
  await page.getByText('Resources, priority and labels').click();
  await page.getByLabel('Account').fill('physics');
  await page.getByLabel('Quality of service').fill('high');
  await page.getByRole('button', { name: 'Submit' }).click();
  await until(
    async () =>
      /^Is "physics", an account of hpc that .* accounts: phages/.test(
        await error(page, 'resources.account').innerText(),
      ),
    true,
  );
  assert.match(await error(page, 'resources.qos').innerText(), /^Is "high", a quality of service of hpc/);
  await checkAccessible(page, 'a form with names that are not allowed');
  await page.getByLabel('Account').fill('phages');
  await page.getByLabel('Quality of service').fill('');
  await page.getByRole('button', { name: 'Check only' }).click();
  await page.getByText('All is well: the job could be submitted.').waitFor();
  assert.match(await page.locator('.would').innerText(), /account phages/);
  await open.close();
  await cluster.stop();
  await rm(`${cluster.folder}.yaml`);
});

test('rerun opens the form filled in; what is changed is changed, and the rest stays', { skip }, async () => {
  const first = await server.submit({
    service: 'Showcase',
    parameters: { title: 'First', words: ['a', 'b'], lines: 3 },
    outputName: 'once',
    labels: { keep: 'me' },
  });
  await server.finished(first.id);
  const open = await openContext(browser, server, { colorScheme: 'dark' });
  const page = await open.page(`jobs/${first.id}`);
  await page.locator('[data-action=rerun]').click();
  await until(() => page.getByLabel('Title').inputValue(), 'First');
  assert.equal(await field(page, 'parameters.words[1]').locator('input').inputValue(), 'b');
  await page.getByRole('button', { name: 'Remove entry 1 of Words' }).click();
  await page.getByLabel('Title').fill('Second');
  await page.getByLabel('Colour', { exact: true }).selectOption('purple');
  await picture(page, 'rerun-dark');
  await checkAccessible(page, 'a form in the dark');
  await page.getByRole('button', { name: 'Rerun' }).click();
  await page.waitForURL((url) => /\/jobs\/\d+$/.test(url.pathname) && !url.pathname.endsWith(`/${first.id}`));
  const { job } = await server.call('GET', `v1/jobs/${page.url().split('/').at(-1)}`);
  assert.deepEqual(job.parameters, { ...first.parameters, title: 'Second', words: ['b'], colour: 'purple' });
  assert.equal(job.rerunOf, first.id);
  assert.deepEqual(job.labels, { keep: 'me' });
  await page
    .locator('.facts')
    .getByRole('link', { name: `job ${first.id}`, exact: true })
    .waitFor();
  await open.close();
});

test('a file is chosen from the workspace, and one of the wrong kind is not offered', { skip }, async () => {
  await Promise.all([put('genomes/a.fasta', '>a\nACGT\n'), put('genomes/b.bam', 'x')]);
  const open = await openContext(browser, server);
  const page = await open.page('submit/Showcase');
  await field(page, 'parameters.input').getByRole('button', { name: 'Choose' }).click();
  await page
    .locator('stint-file-picker')
    .getByRole('button', { name: /genomes/ })
    .click();
  await page.locator('[data-path="/genomes/a.fasta"]').waitFor();
  assert.equal(await page.locator('[data-path="/genomes/b.bam"]').count(), 0);
  await picture(page, 'picker-light');
  await checkAccessible(page, 'the file picker');
  await page.locator('[data-path="/genomes/a.fasta"]').click();
  await until(() => field(page, 'parameters.input').locator('input[type=text]').inputValue(), '/genomes/a.fasta');
  await open.close();
});

test('the workspace: upload, replace, download, delete; names are text', { skip }, async () => {
  const open = await openContext(browser, server);
  const page = await open.page('workspace/genomes');
  const names = () => page.locator('td.name span').allInnerTexts();
  await until(async () => (await names()).includes('a.fasta'), true);
  const evil = '<img src=x onerror=window.pwned=1>.txt';
  await page.locator('input[data-upload=here]').setInputFiles([file(evil, 'one'), file('a.fasta', '>new\nTTTT\n')]);
  await page.getByRole('dialog', { name: 'Replace the file?' }).waitFor();
  await page.getByRole('button', { name: 'Replace it' }).click();
  await page.getByText('All 2 files are stored.').waitFor();
  await until(names, ['Folder above', evil, 'a.fasta', 'b.bam']);
  assert.equal(await (await fetch(new URL('v1/workspace/genomes/a.fasta', server.url))).text(), '>new\nTTTT\n');
  await picture(page, 'workspace-light');
  await checkAccessible(page, 'the workspace');
  const [saved] = await Promise.all([
    page.waitForEvent('download'),
    page.getByRole('link', { name: 'Download b.bam' }).click(),
  ]);
  assert.equal(saved.suggestedFilename(), 'b.bam');

  // Dropped files go into the folder that is shown.
  const data = await page.evaluateHandle(() => {
    const transfer = new DataTransfer();
    transfer.items.add(new File(['dropped'], 'dropped.txt'));
    return transfer;
  });
  await page.locator('stint-workspace-page .page').dispatchEvent('drop', { dataTransfer: data });
  await until(names, ['Folder above', evil, 'a.fasta', 'b.bam', 'dropped.txt']);

  await page.getByLabel('Select b.bam').check();
  await page.getByLabel('Select dropped.txt').check();
  await page.locator('[data-action=delete]').click();
  await page.getByRole('button', { name: 'Delete', exact: true }).last().click();
  await until(names, ['Folder above', evil, 'a.fasta']);
  await page.getByRole('link', { name: 'Folder above' }).click();
  await page.getByRole('button', { name: 'Delete genomes' }).click();
  await page.getByRole('button', { name: 'Delete', exact: true }).last().click();
  await until(async () => (await names()).includes('genomes'), false);
  assert.match(await page.locator('.usage').innerText(), /of 50\.0 MiB used/);
  assert.equal(await page.evaluate(() => window.pwned), undefined);
  await open.close();
});

test('operators see the queue and close the server for new jobs, with words for the users', { skip }, async () => {
  const { id } = await server.submit({
    service: 'Showcase',
    parameters: { title: 'Busy', lines: 1000, rate: 0.1 },
    outputName: 'busy',
  });
  const open = await openContext(browser, server);
  const page = await open.page('queue');
  await page.locator('stint-queue').getByRole('link', { name: id, exact: true }).waitFor();
  await page.locator('stint-plot canvas').first().waitFor();
  await until(() => page.locator('stint-executors .state').first().innerText(), 'Well');
  await page.getByRole('img', { name: 'GPUs: 0 of 1 in use' }).waitFor();
  await page.getByRole('img', { name: 'matlab: 0 of 2 in use' }).waitFor();
  await picture(page, 'operations-light');
  await checkAccessible(page, "the operators' page");
  const accept = page.getByRole('switch', { name: 'Accept new jobs' });
  await accept.click();
  await page.getByLabel('Message for users').fill('Back at <b>noon</b>.');
  await page.getByRole('button', { name: 'Close submissions' }).click();
  await until(() => accept.getAttribute('aria-checked'), 'false');
  await page.locator('stint-app .notice').filter({ hasText: 'Back at <b>noon</b>.' }).waitFor();
  const { submissionsOpen, message } = await server.call('GET', 'v1/status');
  assert.deepEqual({ submissionsOpen, message }, { submissionsOpen: false, message: 'Back at <b>noon</b>.' });
  await page.emulateMedia({ colorScheme: 'dark' });
  await picture(page, 'operations-dark');
  await checkAccessible(page, "the operators' page in the dark");
  const form = await open.page('submit/Showcase');
  await form.getByText('Only operators may submit at the moment.').waitFor();
  await accept.click();
  await page.getByRole('button', { name: 'Accept new jobs' }).click();
  await until(() => accept.getAttribute('aria-checked'), 'true');
  await server.call('POST', `v1/jobs/${id}:cancel`, {});
  await until(() => page.locator('stint-queue p').innerText(), 'No job waits or runs.');
  await open.close();
});

test('the pages fit a phone', { skip }, async () => {
  const open = await openContext(browser, server, {
    viewport: { width: 390, height: 844 },
    isMobile: true,
    hasTouch: true,
  });
  for (const at of ['services', 'submit/Showcase', 'workspace', 'queue']) {
    const page = await open.page(at);
    await page.locator('stint-app h1').first().waitFor();
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth), false, at);
    await picture(page, `${at.replace('/', '-')}-phone`);
    await page.close();
  }
  await open.close();
});
