import assert from 'node:assert/strict';
import { setTimeout } from 'node:timers/promises';

// A browser and a server work by themselves; what they show is asked for until it is there.
const deadline = 20_000;
const pause = 40;

/** Asks until the answer is what is expected. Fails with the difference to the last answer. */
export async function until(ask, expected, what = '') {
  const end = performance.now() + deadline;
  for (;;) {
    const answer = await ask();
    try {
      assert.deepEqual(answer, expected, what || undefined);
      return;
    } catch (error) {
      if (performance.now() > end) throw error;
    }
    await setTimeout(pause);
  }
}

/** Asks until the answer is neither false nor nothing, and answers it. */
export async function eventually(ask, what) {
  const end = performance.now() + deadline;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    assert.ok(performance.now() < end, `never: ${what}`);
    await setTimeout(pause);
  }
}
