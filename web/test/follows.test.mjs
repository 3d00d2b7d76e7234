// A page draws from nothing that it does not follow: who the user is, the size of the window and the colours may
// become known, or change, after the page was drawn.
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { launch, noBrowser, openContext } from './lib/browser.mjs';
import { startServer } from './lib/server.mjs';
import { until } from './lib/until.mjs';

const skip = noBrowser();
let server;
let browser;
let job;

before(async () => {
  if (skip) return;
  server = await startServer({ flags: ['--cpus', '2', '--grace', '1s'] });
  browser = await launch();
  job = await server.finished((await server.submit({ service: 'Date', outputName: 'mine' })).id);
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

/** Opens a page whose calls of v1/status are answered only after release(), with changes to what the server says. */
async function openBeforeStatus(at, change = {}) {
  const open = await openContext(browser, server);
  let release;
  const released = new Promise((resolve) => {
    release = resolve;
  });
  await open.context.route('**/v1/status', async (route) => {
    await released;
    const response = await route.fetch();
    await route.fulfill({ response, json: { ...(await response.json()), ...change } });
  });
  return { ...open, page: await open.page(at), release };
}

test('an owner may share a job, also when the page knew the job before it knew the user', { skip }, async () => {
  const { page, release, close } = await openBeforeStatus(`jobs/${job.id}`);
  const share = page.locator('[data-action=share]');
  await share.waitFor();
  const owner = page.locator('.facts dt').filter({ hasText: /^Owner$/ });
  release();
  await until(() => share.getAttribute('aria-disabled'), 'false');
  await owner.waitFor();
  await close();
});

test('a form closes when the server says, after it was drawn, that it takes no jobs', { skip }, async () => {
  const change = { submissionsOpen: true, roles: ['user'] };
  const { page, release, close } = await openBeforeStatus('submit/Date', change);
  release();
  const submit = page.getByRole('button', { name: 'Submit', exact: true });
  await until(() => submit.isEnabled(), true);
  change.submissionsOpen = false;
  // The page asks again when it is looked at anew.
  await page.evaluate(() => document.dispatchEvent(new Event('visibilitychange')));
  await until(() => submit.isDisabled(), true);
  await page.getByText('New jobs are not accepted at the moment.').first().waitFor();
  await close();
});

test("everybody's jobs are offered to an operator who was not known to be one", { skip }, async () => {
  const { page, release, close } = await openBeforeStatus('jobs');
  await page.locator('.row').first().waitFor();
  assert.equal(await page.getByText("Everybody's").count(), 0);
  release();
  await page.getByText("Everybody's").waitFor();
  await close();
});

test('what depends on the size of the window follows it', { skip }, async () => {
  const { page, close } = await openBeforeStatus('jobs');
  await page.locator('.row').first().waitFor();
  const details = page.locator('[data-action=details]');
  await details.waitFor();
  await page.setViewportSize({ width: 900, height: 700 });
  await until(() => details.count(), 0);
  await page.setViewportSize({ width: 600, height: 700 });
  await page.locator('.cell.card').first().waitFor();
  await page.setViewportSize({ width: 1360, height: 700 });
  await details.waitFor();
  await until(() => page.locator('.cell.card').count(), 0);
  await close();
});

test('the button of the colours follows a choice in another tab', { skip }, async () => {
  const open = await openContext(browser, server);
  const [one, other] = [await open.page('services'), await open.page('services')];
  await one.getByRole('button', { name: /^Colours: as the system/ }).waitFor();
  // A tab that is not in front draws no frames, and takes no clicks before it does.
  await other.bringToFront();
  await other.getByRole('button', { name: /^Colours: as the system/ }).click();
  await one.getByRole('button', { name: /^Colours: light/ }).waitFor();
  await open.close();
});

test('no component reads the session or the screen past follow.ts', async () => {
  const src = fileURLToPath(new URL('../src/', import.meta.url));
  const files = (await readdir(src, { recursive: true })).filter((f) => f.endsWith('.ts') && !f.startsWith('gen/'));
  const bad = [];
  for (const file of files) {
    const text = await readFile(src + file, 'utf8');
    if (!/html`/.test(text)) continue;
    if (/import \{[^}]*\bsession\b[^}]*\} from/.test(text)) bad.push(`${file} imports the session`);
    if (/\bmatchMedia\(/.test(text)) bad.push(`${file} asks matchMedia`);
  }
  assert.deepEqual(bad, []);
});
