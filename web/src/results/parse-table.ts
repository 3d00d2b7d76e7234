// Takes tables apart: tabs or commas between cells, quotes around those that hold either.
import { parse } from 'papaparse';

/** Rows of cells, the first one being the names of the columns. */
export type Rows = string[][];

/** What is between cells. */
export type Separator = ',' | ';' | '\t';

/** Rows as they were read, and whether the quotes of the file are broken: then each line is a row, with all its quotes. */
export interface Parsed {
  rows: Rows;
  broken: boolean;
}

/**
 * Parses text in CSV as RFC 4180 describes it, or with semicolons in the place of commas. With tabs there is no quoting,
 * and lines without anything are left out, as programs that write such files do it.
 */
export function parseTable(text: string, separator: Separator): Parsed {
  const tabs = separator === '\t';
  const { rows, wrong } = split(text, separator, !tabs);
  // A quote that is never closed, or closed in the middle of a cell, would take all behind it into one cell.
  return wrong ? { rows: split(text, separator, false).rows, broken: true } : { rows, broken: false };
}

function split(text: string, separator: Separator, quotes: boolean): { rows: Rows; wrong: boolean } {
  const { data: rows, errors } = parse<string[]>(quotes ? text : text.replace(/\r\n/g, '\n'), {
    delimiter: separator,
    // A letter that no text has: nothing is a quote.
    ...(!quotes && { quoteChar: '\u0000', newline: '\n' }),
    skipEmptyLines: separator === '\t',
  });
  // Behind the last end of a line is no row.
  if (rows.length > 0 && rows.at(-1)?.length === 1 && rows.at(-1)?.[0] === '') rows.pop();
  return { rows, wrong: errors.some((e) => e.type === 'Quotes') };
}

/** A table as it is shown. */
export interface Table {
  /** What the file says before its table, such as comments. */
  notes: string[];
  /** The names of the columns; empty for a column without one. As many as the longest row has cells. */
  head: string[];
  body: Rows;
  /** How many rows have more or fewer cells than there are names. */
  uneven: number;
  /** Whether the quotes of the file do not match: each of its lines is a row then. */
  broken: boolean;
}

/**
 * Reads a table with all of its cells. The separator is what the file's name says, unless the file has none of these and
 * others instead. Where the names are one less than the cells of the rows the first column has none, as R writes it.
 */
export function readTable(text: string, separator: Separator): Table {
  const { rows, broken } = parseTable(text.replace(/^\ufeff/, ''), separatorOf(text, separator));
  // Lines with # in front of a table are notes; the last of them has the names if it has as many cells as what follows.
  const comments = rows.findIndex((row) => !row[0]?.startsWith('#'));
  const names = comments > 0 && rows[comments - 1]?.length === rows[comments]?.length;
  const first = names ? comments - 1 : Math.max(0, comments);
  const notes = rows.slice(0, first).map((row) => row.join(' '));
  let [head = [], ...body] = rows.slice(first);
  const named = head.length;
  if (body.length > 0 && body.every((row) => row.length === named + 1)) head = ['', ...head];
  const uneven = body.filter((row) => row.length !== head.length).length;
  const width = body.reduce((most, row) => Math.max(most, row.length), head.length);
  return { notes, head: [...head, ...Array<string>(width - head.length).fill('')], body, uneven, broken };
}

// The separator that the first lines have, outside of quotes: Excel writes semicolons where the comma is for decimals.
function separatorOf(text: string, named: Separator): Separator {
  const lines = text
    .slice(0, 64 << 10)
    .split('\n', 20)
    .filter((line) => line.trim() !== '' && !line.startsWith('#'));
  const counts = (separator: Separator) =>
    lines.map((line) => line.replace(/"[^"]*"/g, '').split(separator).length - 1);
  const even = (separator: Separator) => {
    const [most = 0, ...rest] = counts(separator);
    return most > 0 && rest.every((n) => n === most || n === most + 1);
  };
  if (lines.length === 0 || (counts(named)[0] ?? 0) > 0) return named;
  return (['\t', ';', ','] as const).find((other) => other !== named && even(other)) ?? named;
}

const collator = new Intl.Collator(undefined, { numeric: true });

/** Compares cells: numbers by value and before texts, empty ones last. */
export function compareCells(a: string, b: string): number {
  if (a === b) return 0;
  if (a === '') return 1;
  if (b === '') return -1;
  const x = Number(a);
  const y = Number(b);
  if (!Number.isNaN(x) && !Number.isNaN(y)) return x - y;
  if (!Number.isNaN(x)) return -1;
  if (!Number.isNaN(y)) return 1;
  return collator.compare(a, b);
}

/** Whether all cells of a column that hold something are numbers. */
export function isNumeric(rows: Rows, column: number): boolean {
  let some = false;
  for (const row of rows) {
    const cell = row[column] ?? '';
    if (cell === '') continue;
    if (Number.isNaN(Number(cell))) return false;
    some = true;
  }
  return some;
}
