// The account: tokens for programs; sharing a job with somebody; and what everybody sees of everybody's jobs.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { launch, noBrowser, openContext, picture } from './lib/browser.mjs';
import { startIssuer, trust } from './lib/issuer.mjs';
import { startServer } from './lib/server.mjs';
import { until } from './lib/until.mjs';

const skip = noBrowser();
let issuer;
let server;
let browser;

before(async () => {
  if (skip) return;
  issuer = await startIssuer();
  server = await startServer({ flags: ['--cpus', '1', '--grace', '1s'], prepare: (s) => trust(issuer, s) });
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await server?.stop();
  await issuer?.close();
});

/** A browser in which somebody is signed in, at a page. */
async function as(name, at) {
  const opened = await openContext(browser, server, { others: [issuer.url] });
  const page = await opened.page(`auth/login?return=/${encodeURIComponent(at)}`);
  await page.getByLabel('Name').fill(name);
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.locator(`header .user[title="Signed in as ${name}"]`).waitFor();
  return { page, close: opened.close };
}

const submit = (page, outputName) =>
  page.evaluate(async (outputName) => {
    const job = { service: 'Sleep', outputName, parameters: { sleep_time: 600 } };
    const init = { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ job }) };
    return (await (await fetch('v1/jobs', init)).json()).job.id;
  }, outputName);

test('a token is made, shown once, works within its limits, and is revoked', { skip }, async () => {
  const { page, close } = await as('ada', 'account');
  await page.getByText('There are none.').waitFor();
  await page.getByLabel('What is it for?').fill('my laptop');
  await page.getByLabel('see jobs').check();
  await page.getByRole('button', { name: 'Make a token' }).click();
  const token = await page.locator('.secret code').innerText();
  await picture(page, 'account');
  const call = (method, at, body) =>
    fetch(new URL(at, server.url), { method, headers: { Authorization: `Bearer ${token}` }, ...(body && { body }) });
  const who = await (await call('GET', 'v1/auth/whoami')).json();
  assert.deepEqual([who.user, who.how, who.scopes], ['ada', 'token', ['jobs:read']]);
  assert.equal((await call('GET', 'v1/jobs')).status, 200);
  assert.equal((await call('POST', 'v1/jobs', '{"job":{"service":"Date"}}')).status, 403, 'not what it is for');
  await page.reload();
  await page.getByRole('cell', { name: 'my laptop', exact: true }).waitFor();
  assert.equal(await page.locator('.secret').count(), 0, 'the secret is shown once');
  assert.match(await page.locator('tr[data-quota="api_tokens"]').innerText(), /API tokens\s+1\s+100/);
  await page.getByRole('button', { name: 'Revoke my laptop' }).click();
  await page.getByRole('button', { name: 'Revoke the token' }).click();
  await page.getByText('There are none.').waitFor();
  assert.equal((await call('GET', 'v1/jobs')).status, 401);
  await close();
});

test('a token expires by the clock of the server', { skip }, async () => {
  const { page, close } = await as('zoe', 'account');
  for (const days of [3, -3, -400]) {
    await page.evaluate((shift) => {
      const real = Date.now.bind(Date);
      window.realNow ??= real;
      Date.now = () => window.realNow() + shift;
    }, days * 86400e3);
    await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Jobs' }).click(); // whose calls tell the page the time
    await page.locator('stint-jobs-page').waitFor();
    await page.goBack();
    await page.getByLabel('What is it for?').fill(`by a clock ${days} days ahead`);
    await page.getByLabel('see jobs').check();
    await page.getByRole('button', { name: 'Make a token' }).click();
    await page.getByRole('cell', { name: `by a clock ${days} days ahead`, exact: true }).waitFor();
    const expires = await page.evaluate(async (description) => {
      const { tokens } = await (await fetch('v1/admin/tokens')).json();
      return tokens.find((t) => t.description === description).expireTime;
    }, `by a clock ${days} days ahead`);
    const left = (Date.parse(expires) - Date.now()) / 86400e3;
    assert.ok(Math.abs(left - Math.round(left)) < 0.01 && left > 1 && left < 400, `it expires in ${left} days`);
  }
  await close();
});

test('browsers are listed, signed out one by one, and everywhere', { skip }, async () => {
  const one = await as('eve', 'account');
  const two = await as('eve', 'account');
  const row = (page, words) => page.getByRole('row').filter({ hasText: words });
  await row(two.page, 'this browser').waitFor();
  await picture(two.page, 'sessions');
  await two.page.getByRole('button', { name: 'Sign out Chrome' }).click();
  await two.page.getByText('That browser is signed out.').waitFor();
  assert.equal(await one.page.evaluate(async () => (await fetch('v1/auth/whoami')).status), 401);
  assert.equal(await two.page.evaluate(async () => (await fetch('v1/auth/whoami')).status), 200);
  const three = await as('eve', 'account');
  await three.page.getByRole('button', { name: 'Sign out everywhere' }).click();
  await three.page.getByRole('button', { name: 'Sign out everywhere' }).last().click();
  await until(() => two.page.evaluate(async () => (await fetch('v1/auth/whoami')).status), 401);
  for (const { close } of [one, two, three]) await close();
});

test('who signs out at the issuer is signed out here', { skip }, async () => {
  const status = (of) => of.page.evaluate(async () => (await fetch('v1/auth/whoami')).status);
  const gone = await as('gil', 'jobs');
  const stays = await as('ada', 'jobs');
  assert.equal(await status(gone), 200);
  await issuer.signOut('gil');
  assert.equal(await status(gone), 401);
  assert.equal(await status(stays), 200);
  for (const { close } of [gone, stays]) await close();
});

test('a job is shared, right by right, and taken back', { skip }, async () => {
  const ada = await as('ada', 'jobs');
  const bob = await as('bob', 'jobs');
  const id = await submit(ada.page, 'for bob');
  await ada.page.goto(`${server.url}jobs/${id}`);
  await ada.page.locator('[data-action=share]').click();
  await ada.page.getByText('Nobody else sees this job.').waitFor();
  const seen = (at) => bob.page.evaluate(async (path) => (await fetch(path)).status, at);
  assert.equal(await seen(`v1/jobs/${id}`), 404);
  await ada.page.getByLabel('User').fill('bob');
  await ada.page.getByLabel('what it prints').check();
  await ada.page.getByRole('button', { name: 'Share', exact: true }).last().click();
  await ada.page.getByRole('list', { name: 'Shared with' }).getByText('bob').waitFor();
  await picture(ada.page, 'share');
  assert.deepEqual([await seen(`v1/jobs/${id}`), await seen(`v1/jobs/${id}/results`)], [200, 404]);
  await ada.page.getByRole('button', { name: 'Take back from bob' }).click();
  await ada.page.getByText('Nobody else sees this job.').waitFor();
  assert.equal(await seen(`v1/jobs/${id}`), 404);
  await ada.close();
  await bob.close();
});

test('everybody sees that others wait, and not who or what', { skip }, async () => {
  const ada = await as('ada', 'jobs');
  await submit(ada.page, 'a secret of ada');
  const bob = await as('bob', 'jobs');
  const own = await submit(bob.page, 'mine');
  await bob.page.getByRole('link', { name: 'Everybody' }).click();
  await bob.page.getByRole('link', { name: own, exact: true }).waitFor();
  await bob.page.getByText("another user's job").first().waitFor();
  await bob.page.getByText('not what they wait for, nor their place, nor when they start').waitFor();
  const sent = await bob.page.evaluate(async () => (await fetch('v1/queue')).text());
  assert.ok(sent.includes('mine') && !/ada|secret/.test(sent), `bob is sent ${sent}`);
  await picture(bob.page, 'everybody');
  await ada.close();
  await bob.close();
});
