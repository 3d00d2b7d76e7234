// Asks axe-core whether a page can be used by everybody.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';

const axe = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

/** Fails with what axe-core finds wrong with what is shown now. */
export async function checkAccessible(page, what) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
  const found = violations.map(
    (v) => `${v.id}: ${v.nodes.map((n) => `${n.target.flat().join(' ')} (${n.failureSummary})`).join('; ')}`,
  );
  assert.deepEqual(found, [], `axe-core on ${what}`);
}
