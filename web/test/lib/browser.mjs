// Debian's Chromium, and what every test of a page wants to know of it.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

const executablePath = process.env.STINT_TEST_CHROMIUM ?? '/usr/bin/chromium';

/** Why the tests of the pages cannot run here; false when they can. A required Chromium that is missing is an error. */
export function noBrowser() {
  if (existsSync(executablePath)) return false;
  const required = (process.env.STINT_TEST_REQUIRE ?? '').split(',').includes('chromium');
  if (required) throw new Error(`${executablePath} is missing, and STINT_TEST_REQUIRE lists chromium`);
  return 'Chromium is not installed: tools/setup-debian.sh chromium';
}

export function launch() {
  return chromium.launch({
    executablePath,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

/**
 * Opens a context whose pages must not err: what the policy blocked, errors of
 * scripts and requests to other places than the server and the others named are collected, and close() finds none.
 */
export async function openContext(browser, server, { others = [], ...options } = {}) {
  const context = await browser.newContext({
    viewport: { width: 1360, height: 820 },
    locale: 'en-GB',
    timezoneId: 'Europe/Berlin',
    ...options,
  });
  const bad = [];
  context.on('request', (request) => {
    const url = request.url();
    if (![server.url, ...others].some((place) => url.startsWith(place)) && !/^(data|blob):/.test(url))
      bad.push(`request to ${url}`);
  });
  context.on('weberror', (error) => bad.push(`error: ${error.error().stack}`));
  context.on('console', (message) => {
    // What the network does while a server is down is not the page's fault.
    if (
      message.type() === 'error' &&
      !message.text().includes('ERR_') &&
      !message.text().startsWith('Failed to load resource')
    ) {
      bad.push(`console: ${message.text()}`);
    }
  });
  context.setDefaultTimeout(20_000);
  return {
    context,
    async page(at) {
      const page = await context.newPage();
      await page.goto(new URL(at, server.url).href);
      return page;
    },
    async close() {
      await context.close();
      assert.deepEqual(bad, []);
    },
  };
}

const out = fileURLToPath(new URL('../out/', import.meta.url));

/** Takes a picture into the git-ignored folder test/out. */
export async function picture(page, name) {
  await mkdir(out, { recursive: true });
  await page.screenshot({ path: path.join(out, `${name}.png`) });
}
