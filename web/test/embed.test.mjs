// The indicator on other sites: those that are named have it, the others have nothing.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { launch, noBrowser, picture } from './lib/browser.mjs';
import { startIssuer, trust } from './lib/issuer.mjs';
import { startServer } from './lib/server.mjs';
import { eventually, until } from './lib/until.mjs';

const skip = noBrowser();
let issuer;
let server;
let browser;
let context;
let portal;
let stranger;

before(async () => {
  if (skip) return;
  issuer = await startIssuer();
  portal = await startSite();
  stranger = await startSite();
  server = await startServer({
    flags: ['--cpus', '1', '--grace', '1s', '--embed-origins', portal.origin],
    prepare: (s) => trust(issuer, s),
  });
  browser = await launch();
  context = await browser.newContext({ viewport: { width: 800, height: 300 } });
  context.setDefaultTimeout(20_000);
  const page = await context.newPage();
  await page.goto(`${server.url}auth/login`);
  await page.getByLabel('Name').fill('ada');
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.locator('header .user').waitFor();
});

after(async () => {
  await browser?.close();
  await server?.stop();
  await issuer?.close();
  await portal?.close();
  await stranger?.close();
});

/** A site on an origin of its own that shows whatever a test wants. */
async function startSite() {
  const site = { body: '' };
  const listener = createServer((_, res) => {
    res.setHeader('Content-Type', 'text/html; charset=utf-8');
    res.end(`<!doctype html><title>A gateway</title><h1>A gateway</h1>${site.body}`);
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  site.origin = `http://127.0.0.1:${listener.address().port}`;
  site.close = async () => {
    listener.closeAllConnections();
    listener.close();
    await once(listener, 'close');
  };
  return site;
}

/** Opens a site with a piece of a page on it. */
async function visit(site, body) {
  site.body = body;
  const page = await context.newPage();
  await page.goto(site.origin);
  return page;
}

const element = () =>
  `<script type="module" src="${server.url}indicator.js"></script><stint-indicator></stint-indicator>`;

/** What the indicator of a page or a frame counts as running; undefined where it shows no counts. */
const running = (of) =>
  of.evaluate(
    () => document.querySelector('stint-indicator')?.shadowRoot?.querySelector('.running > span')?.textContent,
  );

/** What a script of a page gets from the server with the user's cookie. */
const read = (page, path, init = {}) =>
  page.evaluate(
    async ([address, more]) => {
      try {
        return (await fetch(address, { credentials: 'include', ...more })).status;
      } catch {
        return 'blocked';
      }
    },
    [`${server.url}${path}`, init],
  );

test('a site that is named shows the counts of its user, live', { skip }, async () => {
  const page = await visit(portal, element());
  await until(() => running(page), '0');
  const own = await context.newPage();
  await own.goto(`${server.url}jobs`);
  const status = await own.evaluate(async () => {
    const job = { service: 'Sleep', outputName: 'seen elsewhere', parameters: { sleep_time: 600 } };
    const init = { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ job }) };
    return (await fetch('v1/jobs', init)).status;
  });
  assert.equal(status, 200);
  await until(() => running(page), '1', 'the stream works across origins');
  await picture(page, 'embedded');
  await own.close();
  await page.close();
});

test('what is not for the indicator is not for the site', { skip }, async () => {
  const page = await visit(portal, '');
  assert.equal(await read(page, 'v1/jobs:summarize'), 200);
  for (const path of ['v1/jobs', 'v1/auth/whoami', 'v1/workspace', 'v1/status', 'openapi.json'])
    assert.equal(await read(page, path), 'blocked', path);
  const json = { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: '{"job":{"service":"Date"}}' };
  assert.equal(await read(page, 'v1/jobs', json), 'blocked');
  await read(page, 'v1/jobs', { ...json, mode: 'no-cors', headers: { 'Content-Type': 'text/plain' } });
  await read(page, 'auth/logout', { method: 'POST', mode: 'no-cors' });
  const own = await context.newPage();
  await own.goto(`${server.url}jobs`);
  await own.locator('header .user').waitFor();
  const jobs = await own.evaluate(async () => (await (await fetch('v1/jobs')).json()).jobs.map((j) => j.service));
  assert.ok(!jobs.includes('Date'), `a job was submitted: ${jobs}`);
  await own.close();
  await page.close();
});

test('a site that is not named has nothing', { skip }, async () => {
  const page = await visit(stranger, element());
  for (const path of ['v1/jobs:summarize', 'v1/jobs:watch', 'v1/jobs', 'indicator.js'])
    assert.equal(await read(page, path), 'blocked', path);
  assert.equal(await page.evaluate(() => customElements.get('stint-indicator') === undefined), true);
  await page.close();
});

test('the indicator alone can be framed, and only by a site that is named', { skip }, async () => {
  const frames = (paths) => paths.map((p) => `<iframe name="${p}" src="${server.url}${p}"></iframe>`).join('');
  const page = await visit(portal, frames(['embed', 'jobs', 'auth/login', 'v1/jobs']));
  await until(() => running(page.frame('embed')), '1');
  for (const name of ['jobs', 'auth/login', 'v1/jobs'])
    await eventually(async () => page.frame(name).url().startsWith('chrome-error:'), `${name} is not shown in a frame`);
  await picture(page, 'framed');
  await page.frame('embed').getByRole('link', { name: 'Jobs' }).click();
  await page.waitForURL(`${server.url}jobs`);
  await page.close();
  const other = await visit(stranger, frames(['embed']));
  await eventually(async () => other.frame('embed').url().startsWith('chrome-error:'), 'a stranger frames nothing');
  await other.close();
});
