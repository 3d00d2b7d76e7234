// `stint login` by the device flow of a real provider, in the user's browser.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { launch, noBrowser } from './lib/browser.mjs';
import { startIssuer, trust } from './lib/issuer.mjs';
import { startServer } from './lib/server.mjs';
import { eventually } from './lib/until.mjs';

const skip = noBrowser();
const binary = process.env.STINT_TEST_STINT ?? fileURLToPath(new URL('../../bin/stint', import.meta.url));
let issuer;
let server;
let browser;
let home;

before(async () => {
  if (skip) return;
  // Tokens that have half a minute left are renewed: this one soon.
  issuer = await startIssuer({ groups: { olga: ['operators'] }, idTokenSeconds: 34 });
  server = await startServer({ prepare: (s) => trust(issuer, s) });
  browser = await launch();
  home = await mkdtemp(path.join(tmpdir(), 'stint-login-test-'));
});

after(async () => {
  await browser?.close();
  await server?.stop();
  await issuer?.close();
  if (home) await rm(home, { recursive: true });
});

/** Runs the command line; `said` has what it wrote so far. */
function stint(...args) {
  const env = { PATH: process.env.PATH, HOME: home, XDG_CONFIG_HOME: home, STINT_SERVER: `127.0.0.1:${server.port}` };
  const child = spawn(binary, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const run = { said: '', code: once(child, 'close').then(([code]) => code) };
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (text) => {
      run.said += text;
    });
  return run;
}

async function finished(...args) {
  const run = stint(...args);
  return { code: await run.code, said: run.said };
}

/** Does in a browser what the address of a device flow asks for. */
async function approve(address, name) {
  const context = await browser.newContext();
  context.setDefaultTimeout(20_000);
  const page = await context.newPage();
  await page.goto(address);
  for (;;) {
    const title = await page.title();
    if (title === 'Done') break;
    if (title === 'Who are you?') await page.getByLabel('Name').fill(name);
    await Promise.all([page.waitForEvent('domcontentloaded'), page.getByRole('button', { name: 'Continue' }).click()]);
  }
  await context.close();
}

const kept = async () => {
  const folder = path.join(home, 'stint/logins');
  const [name] = await readdir(folder);
  return { file: path.join(folder, name), login: JSON.parse(await readFile(path.join(folder, name), 'utf8')) };
};

test('sign in with a browser, work, be renewed, sign out', { skip }, async () => {
  const before = await finished('whoami');
  assert.equal(before.code, 1);
  assert.match(before.said, /stint login|STINT_TOKEN/);

  const login = stint('login');
  const [, address] = await eventually(() => /Open (http\S+)/.exec(login.said), 'the address is shown');
  const [, code] = /shows the code (\S+), and/.exec(login.said);
  assert.ok(address.startsWith(issuer.url) && address.includes(code), `${address} has the code ${code}`);
  await approve(address, 'olga');
  assert.equal(await login.code, 0, login.said);
  assert.match(login.said, /Signed in to 127\.0\.0\.1:\d+ as olga\./);

  const { file, login: first } = await kept();
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  assert.ok(first.refresh && first.token.split('.').length === 3);
  const who = await finished('whoami');
  assert.match(who.said, /olga.*operator/s);

  // Half a minute before its end the token is replaced, and the one after works as well.
  await eventually(async () => {
    assert.equal((await finished('list')).code, 0);
    return (await kept()).login.token !== first.token;
  }, 'the login is renewed');
  const second = (await kept()).login;
  assert.notEqual(second.refresh, first.refresh, 'a refresh token is good for once');

  await issuer.rotate();
  await eventually(async () => {
    assert.equal((await finished('list')).code, 0, 'a token by an old key holds, and the new key is found');
    return header((await kept()).login.token).kid === issuer.keys[0].kid;
  }, 'the login is renewed with the new key');

  const out = await finished('logout');
  assert.equal(out.code, 0, out.said);
  assert.deepEqual(await readdir(path.join(home, 'stint/logins')), []);
  const reused = await post('token', {
    grant_type: 'refresh_token',
    client_id: 'stint-cli',
    refresh_token: second.refresh,
  });
  assert.equal(reused.error, 'invalid_grant', 'the issuer was told');
  assert.equal((await finished('whoami')).code, 1);
});

test('a device code is good for once, and not before somebody agreed', { skip }, async () => {
  const device = await post('device/auth', { client_id: 'stint-cli', scope: 'openid' });
  const exchange = {
    grant_type: 'urn:ietf:params:oauth:grant-type:device_code',
    client_id: 'stint-cli',
    device_code: device.device_code,
  };
  assert.equal((await post('token', exchange)).error, 'authorization_pending');
  await approve(device.verification_uri_complete, 'ada');
  const { id_token: token } = await post('token', exchange);
  const whoami = (text) =>
    fetch(new URL('v1/auth/whoami', server.url), { headers: { Authorization: `Bearer ${text}` } });
  assert.deepEqual(await (await whoami(token)).json().then(({ user, how }) => ({ user, how })), {
    user: 'ada',
    how: 'oidc',
  });
  assert.equal((await post('token', exchange)).error, 'invalid_grant', 'a replayed device code');
  assert.equal((await whoami(device.device_code)).status, 401, 'a device code is no token');
});

const header = (token) => JSON.parse(Buffer.from(token.split('.')[0], 'base64url').toString());

async function post(at, form) {
  const response = await fetch(`${issuer.url}/${at}`, { method: 'POST', body: new URLSearchParams(form) });
  return response.json();
}
