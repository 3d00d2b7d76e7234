// The pages in the name and the colour of a gateway.
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { checkAccessible } from './lib/accessible.mjs';
import { launch, noBrowser, openContext, picture } from './lib/browser.mjs';
import { misplaced } from './lib/geometry.mjs';
import { startServer } from './lib/server.mjs';
import { until } from './lib/until.mjs';

const skip = noBrowser();
const name = 'Phages <b>& Co</b>';

let server;
let browser;

before(async () => {
  if (skip) return;
  server = await startServer({
    flags: [
      '--site-name',
      name,
      '--site-colour',
      '#7a1f5c',
      '--site-help-url',
      'https://example.org/help?a=1&b=2',
      '--site-terms-url',
      'https://example.org/terms',
    ],
    prepare: async ({ folder }) => {
      const logo = path.join(folder, 'logo.svg');
      await writeFile(
        logo,
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 20"><rect width="40" height="20" fill="#7a1f5c"/></svg>',
      );
      return ['--site-logo', logo];
    },
  });
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

for (const colorScheme of ['light', 'dark'])
  test(`a gateway has its name, logo, colour, help and terms, ${colorScheme}`, { skip }, async () => {
    const open = await openContext(browser, server, { colorScheme });
    const page = await open.page('services');
    await until(() => page.title(), `New job · ${name}`);
    assert.equal(await page.locator('.brand').innerText(), name);
    await until(() => page.locator('.brand img').evaluate((img) => img.complete && img.naturalWidth > 0), true);
    assert.equal(
      await page.getByRole('link', { name: 'Help' }).getAttribute('href'),
      'https://example.org/help?a=1&b=2',
    );
    const accent = await page.evaluate(() => {
      document.body.style.color = 'var(--stint-accent)';
      return getComputedStyle(document.body).color;
    });
    if (colorScheme === 'light') assert.equal(accent, 'rgb(122, 31, 92)');
    else assert.notEqual(accent, 'rgb(122, 31, 92)');
    await checkAccessible(page, `the pages of a gateway, ${colorScheme}`);
    await picture(page, `site-${colorScheme}`);
    await page.goto(new URL('account', server.url).href);
    await page.getByRole('link', { name: 'Terms of use' }).waitFor();
    await page.setViewportSize({ width: 390, height: 844 });
    await until(() => misplaced(page), []);
    await open.close();
  });

test('an address that is none shows a way back', { skip }, async () => {
  const open = await openContext(browser, server);
  const page = await open.page('jobs');
  const response = await page.goto(new URL('nosuchpage', server.url).href);
  assert.equal(response.status(), 404);
  await page.getByRole('heading', { name: 'There is no such page.' }).waitFor();
  await page.getByRole('link', { name: 'Go to the jobs' }).click();
  await page.waitForURL('**/jobs');
  await open.close();
});
