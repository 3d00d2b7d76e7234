// The rows that a log is drawn in. Each is as high as the others, so that a place is found by arithmetic: a
// line that is too long for the width is broken here into several rows where the reader wants that.
import { startOf } from './ansi';
import type { LogLine, LogWindow } from './log-window';

/** Longer lines are not shown to their end. */
export const longestShown = 5000;

export interface LogRow {
  line: LogLine;
  /** The number of the line in the log, where it is known. */
  number: number | undefined;
  /** The letters [from, to) of the line without its escapes; to is undefined for a line as a whole. */
  from: number;
  to: number | undefined;
}

/** Breaks the lines of a window into rows of so many columns; 0 means that lines are not broken. */
export function rowsOf(window: LogWindow, columns: number): LogRow[] {
  const { unfinished, firstNumber } = window;
  const lines = unfinished ? [...window.lines, unfinished] : window.lines;
  const rows: LogRow[] = [];
  for (const [i, line] of lines.entries()) {
    const number = firstNumber === undefined ? undefined : firstNumber + i;
    // A letter has at most two columns, so that half of the width is always enough.
    if (columns === 0 || line.text.length * 2 <= columns) {
      rows.push({ line, number, from: 0, to: undefined });
      continue;
    }
    const breaks = breaksOf(textOf(line), columns);
    for (const [k, from] of breaks.entries()) rows.push({ line, number, from, to: breaks[k + 1] });
  }
  return rows;
}

// textOf is what is shown of a line.
const textOf = (line: LogLine) =>
  startOf(line.text, longestShown)
    .pieces.map((piece) => piece.text)
    .join('');

// breaksOf is where the rows of a text begin.
function breaksOf(text: string, columns: number): number[] {
  const breaks = [0];
  let used = 0;
  let at = 0;
  for (const letter of text) {
    const wide = letter === '\t' ? 8 - (used % 8) : isWide(letter.codePointAt(0) ?? 0) ? 2 : 1;
    if (used + wide > columns) {
      breaks.push(at);
      used = 0;
    }
    used += wide;
    at += letter.length;
  }
  return breaks;
}

// Chinese, Japanese, Korean and pictures take two columns.
function isWide(code: number): boolean {
  return (
    (code >= 0x1100 && code <= 0x115f) ||
    (code >= 0x2e80 && code <= 0xa4cf) ||
    (code >= 0xac00 && code <= 0xd7a3) ||
    (code >= 0xf900 && code <= 0xfaff) ||
    (code >= 0xff00 && code <= 0xff60) ||
    code >= 0x1f300
  );
}
