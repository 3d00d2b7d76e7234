// Takes tables apart: tabs or commas between cells, quotes around those that hold either.

/** Rows of cells, the first one being the names of the columns. */
export type Rows = string[][];

/** Parses text in CSV as RFC 4180 describes it, or with tabs in the place of commas. */
export function parseTable(text: string, separator: ',' | '\t'): Rows {
  return separator === '\t' ? parseTabs(text) : parseCommas(text);
}

// Files with tabs have no quoting in practice; a quote is a character of the cell.
function parseTabs(text: string): Rows {
  return text
    .replace(/\r?\n$/, '')
    .split(/\r?\n/)
    .filter((line, i) => line !== '' || i === 0)
    .map((line) => line.split('\t'));
}

function parseCommas(text: string): Rows {
  const rows: Rows = [];
  let row: string[] = [];
  let at = 0;
  while (at < text.length) {
    let cell = '';
    if (text[at] === '"') {
      [cell, at] = quoted(text, at + 1);
    } else {
      const stop = nextOf(text, at);
      cell = text.slice(at, stop);
      at = stop;
    }
    row.push(cell);
    if (text[at] === ',') {
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

function nextOf(text: string, from: number): number {
  let at = from;
  while (at < text.length && text[at] !== ',' && text[at] !== '\n' && text[at] !== '\r') at++;
  // A carriage return within a line is a part of it.
  return at;
}

function quoted(text: string, from: number): [string, number] {
  let cell = '';
  let at = from;
  for (;;) {
    const stop = text.indexOf('"', at);
    if (stop < 0) return [cell + text.slice(at), text.length];
    cell += text.slice(at, stop);
    if (text[stop + 1] !== '"') {
      let end = stop + 1;
      // What stands between a closing quote and the separator is kept as it is.
      while (end < text.length && !',\n\r'.includes(text[end] ?? '')) cell += text[end++];
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
