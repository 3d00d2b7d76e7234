// Uploads belong to the app: they go on over pages, pauses and a restart of the server.
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { checkAccessible } from './lib/accessible.mjs';
import { launch, noBrowser, openContext, picture } from './lib/browser.mjs';
import { startServer } from './lib/server.mjs';
import { startSlowProxy } from './lib/slow-proxy.mjs';
import { until } from './lib/until.mjs';

const skip = noBrowser();
const size = 60 << 20;
const sum = (bytes) => createHash('sha256').update(bytes).digest('hex');

let server;
let proxy;
let browser;
let folder;
const content = randomBytes(size);

before(async () => {
  if (skip) return;
  server = await startServer();
  proxy = await startSlowProxy(server.port, 2_000_000);
  browser = await launch();
  folder = await mkdtemp(path.join(tmpdir(), 'stint-web-uploads-'));
  await writeFile(path.join(folder, 'reads.fq'), content);
  await writeFile(path.join(folder, 'small.txt'), 'small');
});

after(async () => {
  await browser?.close();
  proxy?.stop();
  await server?.stop();
  if (folder) await rm(folder, { recursive: true });
});

test('60 MB at 2 MB a second go on over five pages and a restart of the server', { skip }, async () => {
  const open = await openContext(browser, { url: proxy.url });
  const page = await open.page('workspace');
  await page
    .locator('input[data-upload=here]')
    .setInputFiles([path.join(folder, 'reads.fq'), path.join(folder, 'small.txt')]);
  const tray = page.locator('stint-tray');
  const bar = tray.getByRole('progressbar', { name: 'Upload of /reads.fq' });
  const percent = async () => Number(await bar.getAttribute('aria-valuenow'));
  // Each page is looked at until more has been sent.
  const grows = async (by) => {
    const had = await percent();
    await until(async () => (await percent()) >= had + by, true);
  };
  await tray.getByText('waits for its turn').waitFor();
  await grows(3);
  for (const name of ['Jobs', 'New job', 'Everybody', 'Operations', 'Workspace']) {
    await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name, exact: true }).click();
    await grows(3);
    if (name === 'New job') await picture(page, 'uploads-tray');
    if (name === 'Everybody') {
      await checkAccessible(page, 'uploads under way');
      await server.kill();
      await server.start();
    }
  }
  assert.match(await tray.locator('.head b').innerText(), /^2 uploads: [\d.]+ MiB of 60\.0 MiB, .+ left$/);
  await tray.getByRole('button', { name: 'Pause /reads.fq' }).click();
  await tray.getByText(/paused at \d+ %/).waitFor();
  await tray.getByText('/small.txt stored').waitFor(); // the next one has its turn
  await tray.getByRole('button', { name: 'Go on /reads.fq' }).click();
  await tray.getByText('All 2 files are stored.').waitFor({ timeout: 90_000 });
  await page.getByRole('row', { name: /reads\.fq/ }).waitFor(); // the page shows it by itself
  const stored = Buffer.from(await (await fetch(new URL('v1/workspace/reads.fq', server.url))).arrayBuffer());
  assert.equal(stored.length, size);
  assert.equal(sum(stored), sum(content));
  await tray.getByRole('button', { name: 'Clear' }).click();
  await until(() => tray.locator('section').count(), 0);
  await open.close();
});

test('what is stopped is not stored, and what has failed can be tried again', { skip }, async () => {
  const open = await openContext(browser, { url: proxy.url });
  const page = await open.page('workspace');
  const tray = page.locator('stint-tray');
  await writeFile(path.join(folder, 'stopped.fq'), content.subarray(0, 20 << 20));
  await page.locator('input[data-upload=here]').setInputFiles(path.join(folder, 'stopped.fq'));
  await until(async () => Number(await tray.getByRole('progressbar').getAttribute('aria-valuenow')) > 0, true);
  await tray.getByRole('button', { name: 'Stop /stopped.fq' }).click();
  await until(() => tray.locator('section').count(), 0);
  const { entries = [] } = await server.call('GET', 'v1/workspace?path=');
  assert.ok(!entries.some((e) => e.path === '/stopped.fq'));
  // A name that a folder has is refused; the words are the server's.
  await page.route('**/v1/uploads', (route) =>
    route.fulfill({
      status: 507,
      contentType: 'application/json',
      body: '{"code":8,"message":"The quota is used up."}',
    }),
  );
  await page.locator('input[data-upload=here]').setInputFiles(path.join(folder, 'small.txt'));
  await tray.getByText('The quota is used up.').waitFor();
  await page.unroute('**/v1/uploads');
  await tray.getByRole('button', { name: 'Try again /small.txt' }).click();
  await page.getByRole('button', { name: 'Replace it' }).click();
  await tray.getByText('The file is stored.').waitFor();
  await open.close();
});

test('the browser asks before it closes a window with uploads under way', { skip }, async () => {
  const open = await openContext(browser, { url: proxy.url });
  const page = await open.page('workspace');
  await page.locator('input[data-upload=here]').setInputFiles(path.join(folder, 'stopped.fq'));
  await page.locator('stint-tray').getByRole('progressbar').waitFor();
  const asked = page.waitForEvent('dialog');
  void page.close({ runBeforeUnload: true });
  const dialog = await asked;
  assert.equal(dialog.type(), 'beforeunload');
  await dialog.accept();
  await open.close();
});
