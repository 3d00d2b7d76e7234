// A folder of services: those that ship, and those of the tests.
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const ofTests = fileURLToPath(new URL('../services', import.meta.url));
const shipped = fileURLToPath(new URL('../../../services', import.meta.url));

/** Makes the folder; remove() takes it away. */
export async function makeServices() {
  const folder = await mkdtemp(path.join(tmpdir(), 'stint-web-services-'));
  for (const from of [shipped, ofTests]) await cp(from, folder, { recursive: true });
  return { folder, remove: () => rm(folder, { recursive: true, force: true }) };
}
