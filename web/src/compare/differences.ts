// What two jobs differ in: parameters, files and tables. Nothing here draws.
import type { ParameterJson } from '../gen/stint/catalog/v1/catalog_service_pb';
import type { JobJson } from '../gen/stint/jobs/v1/job_pb';
import type { ResultFileJson } from '../gen/stint/jobs/v1/job_service_pb';
import { compareCells, type Table } from '../results/parse-table';

/** One matter, and what the one and the other job have of it; undefined is nothing. */
export interface Pair {
  label: string;
  one: string | undefined;
  two: string | undefined;
}

export const differs = ({ one, two }: Pair) => one !== two;

/** All parameters of two jobs, those that either has, in the order of the service. */
export function parameterPairs(one: JobJson, two: JobJson, specs: readonly ParameterJson[]): Pair[] {
  const [a, b] = [flat(one.parameters, specs), flat(two.parameters, specs)];
  return [...new Set([...a.keys(), ...b.keys()])].map((label) => ({ label, one: a.get(label), two: b.get(label) }));
}

// flat makes a text of each value, under the names that lead to it: `Libraries 2, Insert size`.
function flat(values: unknown, specs: readonly ParameterJson[]): Map<string, string> {
  const texts = new Map<string, string>();
  const visit = (
    value: unknown,
    path: readonly string[],
    spec: ParameterJson | undefined,
    inner: readonly ParameterJson[],
  ) => {
    if (Array.isArray(value)) {
      const last = path.at(-1) ?? '';
      for (const [i, v] of value.entries()) visit(v, [...path.slice(0, -1), `${last} ${i + 1}`], spec, inner);
    } else if (value !== null && typeof value === 'object') {
      const order = new Map(inner.map((s, i) => [s.id ?? '', i]));
      const names = Object.keys(value).sort((x, y) => (order.get(x) ?? 1e9) - (order.get(y) ?? 1e9));
      for (const name of names) {
        const next = inner.find((s) => s.id === name);
        visit((value as Record<string, unknown>)[name], [...path, next?.label || name], next, next?.group ?? []);
      }
    } else if (value !== undefined) {
      const text =
        value === null || value === ''
          ? 'nothing'
          : typeof value === 'boolean'
            ? value
              ? 'yes'
              : 'no'
            : String(value);
      texts.set(path.join(', '), text);
    }
  };
  visit(values ?? {}, [], undefined, specs);
  return texts;
}

/** A result that both, or one of two jobs has. */
export interface FilePair {
  path: string;
  one: ResultFileJson | undefined;
  two: ResultFileJson | undefined;
}

export function filePairs(one: readonly ResultFileJson[], two: readonly ResultFileJson[]): FilePair[] {
  const [a, b] = [one, two].map((files) => new Map(files.map((f) => [f.path ?? '', f]))) as [
    Map<string, ResultFileJson>,
    Map<string, ResultFileJson>,
  ];
  const paths = [...new Set([...a.keys(), ...b.keys()])].sort();
  return paths.map((path) => ({ path, one: a.get(path), two: b.get(path) }));
}

/** Two tables as one: rows by their first column, columns by their names. */
export interface Joined {
  /** The rows that differ, with a column of each table where any cell of it does. */
  table: Table;
  changed: number;
  same: number;
  onlyOne: number;
  onlyTwo: number;
}

/**
 * Joins two tables by their first column. Where that names several rows, the first of one is joined with the first of
 * the other, and so on. Cells are the same if their texts or their numbers are.
 */
export function joinTables(one: Table, two: Table): Joined {
  const columns = [...new Set([...one.head.slice(1), ...two.head.slice(1)])];
  const [a, b] = [rowsByKey(one), rowsByKey(two)];
  const place = (table: Table) => columns.map((name) => table.head.indexOf(name, 1));
  const [inOne, inTwo] = [place(one), place(two)];
  const cells = (row: readonly string[] | undefined, at: readonly number[]) =>
    at.map((column) => (row && column >= 0 ? (row[column] ?? '') : ''));
  const rows: { key: string; x: string[]; y: string[]; what: string }[] = [];
  let [changed, same, onlyOne, onlyTwo] = [0, 0, 0, 0];
  for (const id of new Set([...a.keys(), ...b.keys()])) {
    const [p, q] = [a.get(id), b.get(id)];
    const [x, y] = [cells(p, inOne), cells(q, inTwo)];
    const key = (p ?? q)?.[0] ?? '';
    if (!q) onlyOne++;
    else if (!p) onlyTwo++;
    else if (x.every((cell, i) => compareCells(cell, y[i] ?? '') === 0)) {
      same++;
      continue;
    } else changed++;
    rows.push({ key, x, y, what: p && q ? 'changed' : p ? 'only the first' : 'only the second' });
  }
  const double = columns.map((_, i) => rows.some(({ x, y }) => compareCells(x[i] ?? '', y[i] ?? '') !== 0));
  const spread = (x: readonly string[], y: readonly string[]) =>
    columns.flatMap((_, i) => (double[i] ? [x[i] ?? '', y[i] ?? ''] : [x[i] ?? '']));
  const named = spread(
    columns.map((name, i) => (double[i] ? `${name} (first)` : name)),
    columns.map((name) => `${name} (second)`),
  );
  const table = {
    notes: [],
    uneven: 0,
    broken: one.broken || two.broken,
    head: [one.head[0] || two.head[0] || '', 'Row', ...named],
    body: rows.map(({ key, x, y, what }) => [key, what, ...spread(x, y)]),
  };
  return { table, changed, same, onlyOne, onlyTwo };
}

function rowsByKey({ body }: Table): Map<string, readonly string[]> {
  const times = new Map<string, number>();
  const rows = new Map<string, readonly string[]>();
  for (const row of body) {
    const key = row[0] ?? '';
    const n = (times.get(key) ?? 0) + 1;
    times.set(key, n);
    rows.set(`${n} ${key}`, row);
  }
  return rows;
}
