// The columns of the job table: which there are, which are shown, how wide and in which order.
import { html, nothing, type TemplateResult } from 'lit';
import { styles } from '../base/css-vars';
import { expectedShort, placeShort } from '../base/expected';
import { formatElapsed, formatRelative, formatTime, formatTimeFull } from '../base/format';
import { endsSoon } from '../base/retention';
import { pathOf } from '../base/router';
import { isFinal, reasonWords, statePill, visible } from '../base/words';
import type { ServiceJson } from '../gen/stint/catalog/v1/catalog_service_pb';
import type { Row } from './job-list';
import type { SortField } from './view-state';

export interface Column {
  id: ColumnId;
  /** In pixels, where the user chose one. Without it the column is as wide as what it shows, or takes a share of the rest. */
  width?: number;
}

export interface CellContext {
  services: ReadonlyMap<string, ServiceJson>;
  relative: boolean;
  now: number;
}

interface ColumnSpec {
  label: string;
  /** In pixels: the least for a column that grows, and where the menu begins to widen a column. */
  width: number;
  /** Share of the room that is left, for columns of free text. The others are measured: see sampleRows. */
  grow?: number;
  sort?: SortField;
  /** Whether the column is for operators who look at everybody's jobs. */
  operators?: boolean;
  /** Whether the column is hidden until somebody chooses it. */
  optional?: boolean;
  cell: (row: Row, context: CellContext) => TemplateResult | string | typeof nothing;
}

const time = (value: string | undefined, { relative, now }: CellContext) =>
  value
    ? html`<time datetime=${value} title=${formatTimeFull(value)}>${relative ? formatRelative(value, now) : formatTime(value, now)}</time>`
    : nothing;

const specs = {
  status: {
    label: 'Status',
    width: 128,
    sort: 'state',
    cell: (row) => html`<span class="status" title=${row.message ?? ''}>${statePill(row.state)}</span>`,
  },
  id: {
    label: 'ID',
    width: 72,
    sort: 'id',
    cell: (row) => html`<a class="mono" tabindex="-1" href=${pathOf('jobs', row.id)}>${row.id}</a>`,
  },
  service: {
    label: 'Service',
    width: 110,
    grow: 2,
    sort: 'service',
    cell: (row, { services }) =>
      html`<span data-long title=${services.get(row.service ?? '')?.label || row.service || ''}>${services.get(row.service ?? '')?.label || row.service}</span>`,
  },
  output_name: {
    label: 'Output name',
    width: 150,
    grow: 3,
    sort: 'output_name',
    cell: (row) =>
      html`<a data-long tabindex="-1" href=${pathOf('jobs', row.id)} title=${visible(row.outputName)}>${visible(row.outputName)}</a>`,
  },
  submit: { label: 'Submitted', width: 122, sort: 'submit_time', cell: (row, c) => time(row.submitTime, c) },
  start: { label: 'Started', width: 122, sort: 'start_time', cell: (row, c) => time(row.startTime, c) },
  complete: { label: 'Ended', width: 122, sort: 'complete_time', cell: (row, c) => time(row.completeTime, c) },
  elapsed: { label: 'Elapsed', width: 94, cell: elapsed },
  progress: { label: 'Progress / why', width: 150, grow: 3, cell: progress },
  expected: {
    label: 'Expected',
    width: 176,
    optional: true,
    cell: (row, { now }) => {
      const words = [placeShort(row), expectedShort(row, now)].filter(Boolean).join(', ');
      return html`<span title=${words}>${words}</span>`;
    },
  },
  owner: {
    label: 'Owner',
    width: 90,
    grow: 1,
    operators: true,
    cell: (row) => html`<span data-long title=${visible(row.owner)}>${visible(row.owner)}</span>`,
  },
} satisfies Record<string, ColumnSpec>;

export type ColumnId = keyof typeof specs;
export const columnSpecs: Record<ColumnId, ColumnSpec> = specs;
export const columnIds = Object.keys(specs) as ColumnId[];

const [narrowest, widest] = [48, 900];

/** The columns that are shown when nobody chose others. */
export const defaultColumns: Column[] = columnIds
  .filter((id) => !columnSpecs[id].operators && !columnSpecs[id].optional)
  .map((id) => ({ id }));

function elapsed(row: Row, { now }: CellContext) {
  if (row.startTime) return formatElapsed(row.startTime, row.completeTime, now);
  if (isFinal(row.state)) return nothing;
  return html`<span class="quiet-text" title="It has not started yet">waits ${formatElapsed(row.submitTime, undefined, now).replace(/ \d+ \S+$/, '')}</span>`;
}

function progress(row: Row, { now }: CellContext) {
  if (row.state !== 'STATE_RUNNING') {
    const words = [reasonWords(row.reason, row.exitCode), placeShort(row), endsSoon(row, now)]
      .filter(Boolean)
      .join(' · ');
    return words ? html`<span class="quiet-text" data-long title=${row.message || words}>${words}</span>` : nothing;
  }
  const percent = row.progress?.percent;
  const words = row.progress?.message ?? '';
  if (percent === undefined) return html`<span class="quiet-text" data-long title=${words}>${words}</span>`;
  return html`<span class="meter" role="progressbar" aria-label="Progress of job ${row.id}" aria-valuemin="0" aria-valuemax="100"
    aria-valuenow=${percent} title=${words}><span class="fill" ${styles({ width: `${percent}%` })}></span></span><span class="percent">${percent}%</span>`;
}

/**
 * Jobs whose cells are as wide as such cells get in the reader's language: all states, all months, long
 * distances, and an id of as many digits as there are.
 */
export function sampleRows(now: number, digits: number): Row[] {
  const time = (ms: number) => new Date(ms).toISOString();
  const id = '8'.repeat(digits);
  const row = (state: NonNullable<Row['state']>, at: number): Row => ({
    id,
    revision: 0,
    state,
    submitTime: time(at),
    startTime: time(at),
    completeTime: time(at),
  });
  const year = new Date(now).getFullYear();
  const months = Array.from({ length: 12 }, (_, month) => new Date(year, month, 28, 22, 58).getTime());
  const distances = [50e3, 88 * 60e3, 35 * 3600e3, 59 * 86400e3, 330 * 86400e3].map((ms) => now - ms);
  const states = ['QUEUED', 'RUNNING', 'COMPLETED', 'FAILED', 'CANCELLED'] as const;
  return [
    ...states.map((state) => row(`STATE_${state}`, now)),
    ...[...months, ...distances].map((at) => row('STATE_COMPLETED', at)),
    { id, revision: 0, state: 'STATE_QUEUED', submitTime: time(now - 23.9 * 3600e3) },
    { id, revision: 0, state: 'STATE_RUNNING', startTime: time(now - 23.99 * 3600e3) },
    { id, revision: 0, state: 'STATE_RUNNING', startTime: time(now - 59.9 * 60e3) },
  ];
}

/** Keeps a width within what can be used. */
export function fitWidth(width: number): number {
  return Math.round(Math.min(widest, Math.max(narrowest, width)));
}

/** Reads `status,id:120,service`: ids in order, with the widths that differ from the usual. Empty is the default. */
export function parseColumns(text: string): Column[] {
  const columns: Column[] = [];
  for (const part of text.split(',')) {
    const [name, width] = part.split(':');
    const id = columnIds.find((c) => c === name);
    if (id && !columns.some((c) => c.id === id)) {
      columns.push(Number(width) ? { id, width: fitWidth(Number(width)) } : { id });
    }
  }
  return columns.length > 0 ? columns : defaultColumns;
}

/** Writes what parseColumns reads. */
export function formatColumns(columns: readonly Column[]): string {
  const write = (list: readonly Column[]) =>
    list.map(({ id, width }) => (width === undefined ? id : `${id}:${width}`)).join(',');
  const text = write(columns);
  return text === write(defaultColumns) ? '' : text;
}
