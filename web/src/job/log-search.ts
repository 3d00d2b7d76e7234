// Looks for something in a whole log without holding more than a piece of it.
import { stripAnsi } from './ansi';
import type { Pattern } from './errors';
import { joinBytes, type LogSource } from './log-source';

/** A line that matches. */
export interface Hit {
  /** Where the line begins. */
  offset: number;
}

/** A pattern that finds a text as it is, in any case. */
export function textPattern(text: string): Pattern & { regExp: RegExp } {
  const regExp = new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'), 'i');
  return { quick: regExp, test: (line) => regExp.test(line), regExp };
}

/** Finds the first line at or after an offset, and before another one, that matches. */
export async function findForward(
  source: LogSource,
  range: { from: number; to?: number },
  pattern: Pattern,
  options: { signal: AbortSignal; progress: (offset: number, size: number) => void },
): Promise<Hit | undefined> {
  const done = new AbortController();
  const decoder = new TextDecoder();
  let hit: Hit | undefined;
  let rest: Uint8Array = new Uint8Array(0);
  let restOffset = range.from;
  const look = (bytes: Uint8Array, offset: number) => {
    const text = decoder.decode(bytes);
    // Most pieces have no match at all; only one that has is looked at line by line.
    if (!pattern.quick.test(text)) return;
    let at = 0;
    while (at < bytes.length && !hit) {
      const newline = bytes.indexOf(10, at);
      const stop = newline < 0 ? bytes.length : newline;
      if (pattern.test(stripAnsi(decoder.decode(bytes.subarray(at, stop))))) hit = { offset: offset + at };
      at = stop + 1;
    }
    if (hit) done.abort();
  };
  try {
    await source.stream({ offset: range.from }, AbortSignal.any([options.signal, done.signal]), (frame) => {
      if (hit) return;
      if (range.to !== undefined && frame.offset >= range.to) return done.abort();
      options.progress(frame.offset, frame.size);
      if (rest.length > 0 && frame.offset !== restOffset + rest.length) {
        look(rest, restOffset);
        rest = new Uint8Array(0);
      }
      if (rest.length === 0) restOffset = frame.offset;
      const bytes = joinBytes([rest, frame.data]);
      const whole = Math.max(bytes.lastIndexOf(10) + 1, bytes.length > 1 << 20 ? bytes.length : 0);
      look(bytes.subarray(0, whole), restOffset);
      rest = bytes.slice(whole);
      restOffset += whole;
    });
    if (!hit) look(rest, restOffset);
  } catch (error) {
    if (!done.signal.aborted || options.signal.aborted) throw error;
  }
  return hit;
}
