// Sorts and filters a table, and gives out its rows by pages. It runs beside the page for files, in it for what is small.
import { compareCells, isNumeric, type Rows, type Table } from './parse-table';

/** Which rows are asked for. */
export interface Question {
  /** The column to sort by; -1 is the file's own order. */
  sorted: number;
  down: boolean;
  /** A word that a cell of the row has, in small or capital letters. */
  filter: string;
  /** The first row, of those that fit, in that order. */
  from: number;
  count: number;
  /** A row of the file whose page is asked for in the place of `from`. */
  row?: number;
}

export interface Answer {
  rows: Rows;
  /** The number in the file of each of the rows, from 0. */
  numbers: number[];
  from: number;
  /** How many rows fit. */
  total: number;
}

export interface Head {
  head: string[];
  /** Whether all of a column are numbers. */
  numeric: boolean[];
  notes: string[];
  uneven: number;
  broken: boolean;
  rows: number;
}

export class TableEngine {
  readonly head: Head;
  private order: Uint32Array;
  private key = '';

  constructor(private readonly table: Table) {
    const { head, body, notes, uneven, broken } = table;
    this.head = {
      head,
      notes,
      uneven,
      broken,
      rows: body.length,
      numeric: head.map((_, column) => isNumeric(body, column)),
    };
    this.order = Uint32Array.from(body.keys());
  }

  /** Returns a page of rows. The order is kept: the next page of the same question costs nothing. */
  ask({ sorted, down, filter, from, count, row }: Question): Answer {
    const key = JSON.stringify([sorted, down, filter]);
    if (key !== this.key) {
      this.order = this.arrange(sorted, down, filter.toLowerCase());
      this.key = key;
    }
    let first = from;
    if (row !== undefined) {
      const at = this.order.indexOf(row);
      first = at < 0 ? from : at - (at % count);
    }
    first = Math.max(0, Math.min(first, Math.max(0, this.order.length - 1)));
    const numbers = [...this.order.subarray(first, first + count)];
    return { rows: numbers.map((n) => this.table.body[n] ?? []), numbers, from: first, total: this.order.length };
  }

  private arrange(column: number, down: boolean, word: string): Uint32Array {
    const { body } = this.table;
    const fits = (row: readonly string[]) => word === '' || row.some((cell) => cell.toLowerCase().includes(word));
    const order = Uint32Array.from(body.keys()).filter((n) => fits(body[n] ?? []));
    if (column < 0) return order;
    const sign = down ? -1 : 1;
    const cell = (n: number) => body[n]?.[column] ?? '';
    return order.sort((a, b) => {
      const [x, y] = [cell(a), cell(b)];
      // What is empty stays at the end in both directions, and equals in the order of the file.
      return (x === '' || y === '' ? compareCells(x, y) : sign * compareCells(x, y)) || a - b;
    });
  }
}
