// Takes tables apart: tabs or commas between cells, quotes around those that hold either.

/** Rows of cells, the first one being the names of the columns. */
export type Rows = string[][];

/** What is between cells. */
export type Separator = ',' | ';' | '\t';

/** Parses text in CSV as RFC 4180 describes it, or with semicolons or tabs in the place of commas. */
export function parseTable(text: string, separator: Separator): Rows {
  return separator === '\t' ? parseTabs(text) : parseCommas(text, separator);
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
}

/**
 * Reads a table with all of its cells. The separator is what the file's name says, unless the file has none of these and
 * others instead. Where the names are one less than the cells of the rows the first column has none, as R writes it.
 */
export function readTable(text: string, separator: Separator): Table {
  const rows = parseTable(text.replace(/^\ufeff/, ''), separatorOf(text, separator));
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
  return { notes, head: [...head, ...Array<string>(width - head.length).fill('')], body, uneven };
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

// Files with tabs have no quoting in practice; a quote is a character of the cell.
function parseTabs(text: string): Rows {
  return text
    .replace(/\r?\n$/, '')
    .split(/\r?\n/)
    .filter((line, i) => line !== '' || i === 0)
    .map((line) => line.split('\t'));
}

function parseCommas(text: string, separator: Separator): Rows {
  const rows: Rows = [];
  let row: string[] = [];
  let at = 0;
  while (at < text.length) {
    let cell = '';
    if (text[at] === '"') {
      [cell, at] = quoted(text, at + 1, separator);
    } else {
      const stop = nextOf(text, at, separator);
      cell = text.slice(at, stop);
      at = stop;
    }
    row.push(cell);
    if (text[at] === separator) {
      at++;
      if (at === text.length) row.push('');
      continue;
    }
    if (text[at] === '\r') at++;
    if (text[at] === '\n') at++;
    rows.push(row);
    row = [];
  }
  if (row.length > 0) rows.push(row);
  return rows;
}

function nextOf(text: string, from: number, separator: Separator): number {
  let at = from;
  while (at < text.length && text[at] !== separator && text[at] !== '\n' && text[at] !== '\r') at++;
  // A carriage return within a line is a part of it.
  return at;
}

function quoted(text: string, from: number, separator: Separator): [string, number] {
  let cell = '';
  let at = from;
  for (;;) {
    const stop = text.indexOf('"', at);
    if (stop < 0) return [cell + text.slice(at), text.length];
    cell += text.slice(at, stop);
    if (text[stop + 1] !== '"') {
      let end = stop + 1;
      // What stands between a closing quote and the separator is kept as it is.
      while (end < text.length && text[end] !== separator && text[end] !== '\n' && text[end] !== '\r')
        cell += text[end++];
      return [cell, end];
    }
    cell += '"';
    at = stop + 2;
  }
}

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
  return a.localeCompare(b, undefined, { numeric: true });
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
