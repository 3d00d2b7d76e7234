// Signing in and out in a real browser, by a real provider of OpenID Connect, and what attackers try about it.
import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { after, before, test } from 'node:test';
import { launch, noBrowser, openContext, picture } from './lib/browser.mjs';
import { startIssuer, trust } from './lib/issuer.mjs';
import { startServer } from './lib/server.mjs';
import { eventually, until } from './lib/until.mjs';

const skip = noBrowser();
let issuer;
let server;
let browser;

before(async () => {
  if (skip) return;
  issuer = await startIssuer({ groups: { olga: ['operators', 'staff'] } });
  server = await startServer({ flags: ['--cpus', '1', '--grace', '1s'], prepare: (s) => trust(issuer, s) });
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await server?.stop();
  await issuer?.close();
});

const open = (of = server, options = {}) => openContext(browser, of, { others: [issuer.url], ...options });

/** Goes through the issuer's page under a name. */
async function giveName(page, name) {
  await page.getByLabel('Name').fill(name);
  await page.getByRole('button', { name: 'Continue' }).click();
}

/** Signs in at an address of the pages. */
async function signIn(page, name) {
  await page.getByRole('main').getByRole('link', { name: 'Sign in' }).click();
  await giveName(page, name);
  await page.locator(`header .user[title="Signed in as ${name}"]`).waitFor();
}

const sessionOf = async (context) => (await context.cookies()).find((c) => c.name === 'stint_session');

/** Calls the server as a browser that has a session's secret would, or with a token. */
async function ask(at, { secret, token, of = server, ...init } = {}) {
  const headers = { Accept: 'application/json', ...init.headers };
  if (secret !== undefined) headers.Cookie = `stint_session=${secret}`;
  if (token !== undefined) headers.Authorization = `Bearer ${token}`;
  const response = await fetch(new URL(at, of.url), { ...init, headers, redirect: 'manual' });
  const text = await response.text();
  let body = {};
  try {
    body = JSON.parse(text);
  } catch {
    // A page.
  }
  return { status: response.status, reason: body.details?.[0]?.reason, body, text, headers: response.headers };
}

test('sign in, work, sign out', { skip }, async () => {
  const { context, page: at, close } = await open();
  const planted = 'of-an-attacker';
  await context.addCookies([{ name: 'stint_session', value: planted, url: server.url }]);
  const page = await at('jobs?q=assembly');
  await page.getByRole('heading', { name: 'Sign in to see your jobs' }).waitFor();
  await picture(page, 'sign-in');
  await signIn(page, 'ada');
  assert.equal(page.url(), `${server.url}jobs?q=assembly`, 'back at the page that was asked for');
  await picture(page, 'signed-in');

  const cookie = await sessionOf(context);
  assert.deepEqual(
    { httpOnly: cookie.httpOnly, sameSite: cookie.sameSite, path: cookie.path },
    { httpOnly: true, sameSite: 'Lax', path: '/' },
  );
  assert.notEqual(cookie.value, planted, 'a session id that was there before is not used');
  const seen = await page.evaluate(() => JSON.stringify([document.cookie, { ...localStorage }, { ...sessionStorage }]));
  assert.ok(!seen.includes(cookie.value) && !/eyJ|stint_session/.test(seen), `scripts see ${seen}`);
  assert.deepEqual((await ask('v1/auth/whoami', { secret: cookie.value })).body.how, 'session');

  const posted = await page.evaluate(async () => {
    const init = { method: 'POST', headers: { 'Content-Type': 'application/json' } };
    const job = { service: 'Sleep', outputName: 'mine', parameters: { sleep_time: 600 } };
    const answer = await fetch('v1/jobs', { ...init, body: JSON.stringify({ job }) });
    return { status: answer.status, job: (await answer.json()).job };
  });
  assert.equal(posted.status, 200);
  assert.equal(posted.job.owner, 'ada');
  await page.goto(`${server.url}jobs`);
  await page.locator('.row').first().waitFor();
  await until(
    () => page.locator('stint-indicator .running > span').first().textContent(),
    '1',
    'the stream has the session',
  );
  assert.equal(await page.getByRole('link', { name: 'Operations' }).count(), 0);

  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('heading', { name: 'Sign in to see your jobs' }).waitFor();
  assert.equal(await sessionOf(context), undefined);
  const again = await ask('v1/auth/whoami', { secret: cookie.value });
  assert.deepEqual([again.status, again.reason], [401, 'SESSION_ENDED']);
  await close();
});

test('an operator is one by what the issuer says', { skip }, async () => {
  const { page: at, close } = await open();
  const page = await at('jobs');
  await signIn(page, 'olga');
  await page.getByRole('link', { name: 'Operations' }).waitFor();
  await close();
});

test('who changes their mind is told, and can try again', { skip }, async () => {
  const { page: at, close } = await open();
  const page = await at('workspace');
  await page.getByRole('main').getByRole('link', { name: 'Sign in' }).click();
  await giveName(page, '');
  await page.getByRole('heading', { name: 'You were not signed in' }).waitFor();
  await picture(page, 'sign-in-refused');
  await page.getByRole('link', { name: 'Sign in' }).click();
  await giveName(page, 'ada');
  await page.waitForURL(`${server.url}workspace`);
  await close();
});

test('signing out ends the streams of all tabs, which say so and lead back', { skip }, async () => {
  const { context, page: at, close } = await open();
  const first = await at('jobs');
  await signIn(first, 'ada');
  const second = await at('jobs?state=failed');
  await second.locator('header .user').waitFor();
  const { value: secret } = await sessionOf(context);
  const stream = await fetch(new URL('v1/jobs:watch', server.url), {
    headers: { Accept: 'text/event-stream', Cookie: `stint_session=${secret}` },
  });
  assert.equal(stream.status, 200);
  const rest = stream.text();
  await first.getByRole('button', { name: 'Sign out' }).click();
  assert.match(await rest, /event: problem.*SESSION_ENDED/s, 'the open stream ends with the reason');
  await second.getByText('Your session has ended').waitFor();
  await picture(second, 'session-ended');
  await second.getByRole('link', { name: 'Sign in again' }).click();
  await second.waitForURL(`${server.url}jobs?state=failed`);
  await second.locator('header .user').waitFor();
  assert.notEqual((await sessionOf(context)).value, secret);
  await close();
});

test('a session that nobody uses ends, and the open page says so', { skip }, async () => {
  const quick = await startServer({ flags: ['--session-idle', '4s'], prepare: (s) => trust(issuer, s) });
  const { context, page: at, close } = await open(quick);
  const page = await at('services');
  await signIn(page, 'ada');
  const { value: secret } = await sessionOf(context);
  await page.getByText('Your session has ended').waitFor();
  await eventually(
    async () => (await ask('v1/auth/whoami', { secret, of: quick })).reason === 'SESSION_ENDED',
    'the server refuses it',
  );
  await close();
  await quick.stop();
});

test('the issuer changes its keys while the server runs', { skip }, async () => {
  await issuer.rotate();
  const { page: at, close } = await open();
  const page = await at('jobs');
  await page.getByRole('main').getByRole('link', { name: 'Sign in' }).click();
  await giveName(page, 'grace');
  await page.locator('header .user[title="Signed in as grace"]').waitFor();
  await close();
});

test('other sites cannot use the session', { skip }, async () => {
  const { context, page: at } = await open(server, { others: [issuer.url, 'http://localhost'] });
  const page = await at('jobs');
  await signIn(page, 'victim');
  const evil = `http://localhost:${server.port}`; // another site to the browser, though the same machine
  await context.route('**/evil.html', (route) => route.fulfill({ contentType: 'text/html', body: '<p>evil' }));
  for (const target of ['v1/jobs', 'auth/logout']) {
    const attack = await context.newPage();
    await attack.goto(`${evil}/evil.html`);
    await attack.setContent(
      `<form method="post" enctype="text/plain" action="${server.url}${target}"><input name='{"job":{"service":"Date"},"x":"' value='"}'></form>`,
    );
    const answered = attack.waitForResponse((r) => r.url() === `${server.url}${target}`);
    await attack.evaluate(() => document.forms[0].submit());
    assert.equal((await answered).status(), 403, target);
    await attack.close();
  }
  const { value: secret } = await sessionOf(context);
  const bare = await ask('v1/jobs', { secret, method: 'POST', body: '{"job":{"service":"Date"}}' });
  assert.deepEqual([bare.status, bare.reason], [403, 'CROSS_SITE'], 'a cookie without an origin');
  const out = await ask('auth/logout', { secret, method: 'POST' });
  assert.deepEqual([out.status, out.reason], [403, 'CROSS_SITE'], 'a sign-out without an origin');
  assert.deepEqual((await ask('v1/jobs', { secret })).body.jobs, [], 'no job came of it');
  const bad = await ask('v1/auth/whoami', { secret, token: 'nonsense' });
  assert.deepEqual([bad.status, bad.reason], [401, 'TOKEN_MALFORMED'], 'a bad token is refused beside a good cookie');
  for (const where of ['https://evil.example/', '//evil.example/', '/\\evil.example']) {
    const fresh = await open();
    const victim = await fresh.page(`auth/login?return=${encodeURIComponent(where)}`);
    await giveName(victim, 'ada');
    await victim.waitForURL(server.url, { waitUntil: 'commit' });
    await fresh.context.close();
  }
  await context.close();
});

test('tokens that the issuer did not make are refused, however many come', { skip }, async () => {
  const [key] = issuer.keys;
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: issuer.url, sub: 'eve', aud: 'stint-cli', iat: now, exp: now + 600, groups: ['operators'] };
  const encode = (part) => Buffer.from(JSON.stringify(part)).toString('base64url');
  const body = (header) => `${encode({ typ: 'JWT', kid: key.kid, ...header })}.${encode(claims)}`;
  const confused = body({ alg: 'HS256' });
  const tokens = {
    none: `${body({ alg: 'none' })}.`,
    'the public key as a secret': `${confused}.${createHmac('sha256', Buffer.from(key.n, 'base64url')).update(confused).digest('base64url')}`,
    'a signature of nothing': `${body({ alg: 'RS256' })}.${Buffer.alloc(256).toString('base64url')}`,
  };
  for (const [what, token] of Object.entries(tokens)) {
    const { status, reason } = await ask('v1/auth/whoami', { token });
    assert.deepEqual([status, reason], [401, 'TOKEN_NOT_GENUINE'], what);
  }
  const fetches = issuer.keyFetches;
  const flood = Array.from({ length: 200 }, (_, i) =>
    ask('v1/auth/whoami', { token: `${body({ alg: 'RS256', kid: `k${i}` })}.AAAA` }),
  );
  assert.deepEqual([...new Set((await Promise.all(flood)).map((r) => r.reason))], ['TOKEN_NOT_GENUINE']);
  assert.ok(issuer.keyFetches - fetches <= 7, `the issuer was asked ${issuer.keyFetches - fetches} times`);
  assert.equal((await ask('healthz')).status, 200);
});
