// What was typed and not sent belongs to the app: it outlives its page on a link, Back, a reload and a sign-in.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { launch, noBrowser, openContext } from './lib/browser.mjs';
import { startIssuer, trust } from './lib/issuer.mjs';
import { startServer } from './lib/server.mjs';
import { until } from './lib/until.mjs';

const skip = noBrowser();
const services = fileURLToPath(new URL('services', import.meta.url));
let issuer;
let server;
let guarded;
let browser;

before(async () => {
  if (skip) return;
  issuer = await startIssuer();
  server = await startServer({ flags: ['--services', services, '--cpus', '4'] });
  guarded = await startServer({ flags: ['--services', services], prepare: (s) => trust(issuer, s) });
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await server?.stop();
  await guarded?.stop();
  await issuer?.close();
});

const field = (page, path) => page.locator(`stint-field[path="${path}"]`);
const title = (page) => field(page, 'parameters.title').locator('input');

async function fill(page) {
  await title(page).fill('Half a title');
  await field(page, 'parameters.words').getByRole('button', { name: 'Add' }).click();
  await field(page, 'parameters.words[0]').locator('input').fill('one word');
  await field(page, 'parameters.library').getByRole('button', { name: 'Add' }).click();
  await field(page, 'parameters.library[0].name').locator('input').fill('lib');
  await field(page, 'parameters.fail').locator('input').check();
  await page.getByLabel('Output name').fill('a name');
  await page.getByText('Resources, priority and labels').click();
  await page.getByLabel('Cores').fill('3');
}

const left = async (page) => ({
  title: await title(page).inputValue(),
  word: await field(page, 'parameters.words[0]').locator('input').inputValue(),
  library: await field(page, 'parameters.library[0].name').locator('input').inputValue(),
  fail: await field(page, 'parameters.fail').locator('input').isChecked(),
  name: await page.getByLabel('Output name').inputValue(),
  cores: await page.getByLabel('Cores').inputValue(),
});
const whole = {
  title: 'Half a title',
  word: 'one word',
  library: 'lib',
  fail: true,
  name: 'a name',
  cores: '3',
};

test('a form comes back as it was left: by a link and Back, by a reload, from another page', { skip }, async () => {
  const open = await openContext(browser, server);
  const page = await open.page('submit/Showcase');
  await title(page).waitFor();
  assert.equal(await page.getByText('The form is as you left it.').count(), 0);
  await fill(page);
  await page.getByRole('link', { name: 'Workspace' }).click();
  await page.getByRole('heading', { name: 'Workspace' }).waitFor();
  await page.goBack();
  await until(() => left(page), whole);
  await page.getByText('The form is as you left it.').waitFor();
  assert.ok(await page.getByLabel('Cores').isVisible(), 'what was typed is in sight');

  await page.reload();
  await until(() => left(page), whole);
  await page.goto(`${server.url}services`);
  await page.getByRole('link', { name: /^Showcase/ }).click();
  await until(() => left(page), whole);

  const other = await open.page('submit/Showcase');
  await until(() => title(other).inputValue(), '');
  await other.close();

  await page.getByRole('button', { name: 'Start over' }).click();
  await until(() => title(page).inputValue(), '');
  await page.reload();
  await until(() => title(page).inputValue(), '');
  await open.close();
});

test('a form that was sent is new again, and a rerun has a draft of its own', { skip }, async () => {
  const open = await openContext(browser, server);
  const page = await open.page('submit/Showcase');
  await title(page).fill('To be sent');
  await page.reload();
  await until(() => title(page).inputValue(), 'To be sent');
  await page.getByRole('button', { name: 'Submit' }).click();
  await page.waitForURL(/\/jobs\/\d+$/);
  const id = page.url().split('/').at(-1);
  await page.goto(`${server.url}submit/Showcase`);
  await until(() => title(page).inputValue(), '');

  await page.goto(`${server.url}submit/Showcase?rerun=${id}`);
  await until(() => title(page).inputValue(), 'To be sent');
  await title(page).fill('Sent again');
  await page.goto(`${server.url}submit/Showcase`);
  await until(() => title(page).inputValue(), '');
  await page.goto(`${server.url}submit/Showcase?rerun=${id}`);
  await until(() => title(page).inputValue(), 'Sent again');
  await open.close();
});

test('the words of a report are kept until they are sent', { skip }, async () => {
  const { id } = await server.submit({ service: 'Showcase', parameters: { title: 'Odd' }, outputName: 'odd' });
  await server.finished(id);
  const open = await openContext(browser, server);
  const page = await open.page(`jobs/${id}`);
  const words = page.getByLabel('What is wrong');
  await page.locator('[data-action=issue]').click();
  await words.fill('A long story');
  await page.keyboard.press('Escape');
  await page.reload();
  await page.locator('[data-action=issue]').click();
  assert.equal(await words.inputValue(), 'A long story');
  await page.getByRole('button', { name: 'Send the report' }).click();
  await page.getByText('Thank you.').waitFor();
  await page.locator('[data-action=issue]').click();
  assert.equal(await words.inputValue(), '');
  await open.close();
});

test('a form outlives a sign-in, in plain words, and is nobody else’s', { skip }, async () => {
  const open = await openContext(browser, guarded, { others: [issuer.url] });
  const page = await open.page('submit/Showcase');
  const signIn = async (name) => {
    await page.getByRole('main').getByRole('link', { name: 'Sign in' }).click();
    await page.getByLabel('Name').fill(name);
    await page.getByRole('button', { name: 'Continue' }).click();
  };
  await signIn('alice');
  await title(page).waitFor();
  await fill(page);
  await open.context.clearCookies({ name: 'stint_session' });
  await page.getByRole('button', { name: 'Submit' }).click();
  const problem = page.locator('.problems h2');
  await problem.waitFor();
  assert.match(await problem.innerText(), /^Your session has ended, so nothing was submitted\./);
  assert.doesNotMatch(await page.locator('body').innerText(), /Bearer|STINT_TOKEN|stint login/);
  await until(() => page.locator('stint-indicator').isVisible(), false, 'no counts of a session that has ended');
  await page.getByRole('link', { name: 'Sign in again' }).click();
  await until(() => left(page), whole);

  // Another user of the same tab starts with an empty form.
  await open.context.clearCookies();
  await page.goto(`${guarded.url}submit/Showcase`);
  await signIn('bob');
  await until(() => title(page).inputValue(), '');
  assert.equal(await page.getByText('The form is as you left it.').count(), 0);
  await open.close();
});
