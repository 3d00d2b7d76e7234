// The columns of the job table: which there are, which are shown, how wide and in which order.
import { html, nothing, type TemplateResult } from 'lit';
import { styles } from '../base/css-vars';
import { expectedShort, placeShort } from '../base/expected';
import { formatElapsed, formatRelative, formatTime, formatTimeFull } from '../base/format';
import { pathOf } from '../base/router';
import { isFinal, reasonWords, statePill, visible } from '../base/words';
import type { ServiceJson } from '../gen/stint/catalog/v1/catalog_service_pb';
import type { Row } from './job-list';
import type { SortField } from './view-state';

export interface Column {
  id: ColumnId;
  width: number;
}

export interface CellContext {
  services: ReadonlyMap<string, ServiceJson>;
  relative: boolean;
  now: number;
}

interface ColumnSpec {
  label: string;
  width: number;
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
    width: 148,
    sort: 'service',
    cell: (row, { services }) =>
      html`<span title=${row.service ?? ''}>${services.get(row.service ?? '')?.label || row.service}</span>`,
  },
  output_name: {
    label: 'Output name',
    width: 212,
    sort: 'output_name',
    cell: (row) => html`<span title=${visible(row.outputName)}>${visible(row.outputName)}</span>`,
  },
  submit: { label: 'Submitted', width: 122, sort: 'submit_time', cell: (row, c) => time(row.submitTime, c) },
  start: { label: 'Started', width: 122, sort: 'start_time', cell: (row, c) => time(row.startTime, c) },
  complete: { label: 'Completed', width: 122, sort: 'complete_time', cell: (row, c) => time(row.completeTime, c) },
  elapsed: { label: 'Elapsed', width: 94, cell: elapsed },
  progress: { label: 'Progress', width: 146, cell: progress },
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
    width: 120,
    operators: true,
    cell: (row) => html`<span title=${row.owner ?? ''}>${row.owner}</span>`,
  },
} satisfies Record<string, ColumnSpec>;

export type ColumnId = keyof typeof specs;
export const columnSpecs: Record<ColumnId, ColumnSpec> = specs;
export const columnIds = Object.keys(specs) as ColumnId[];

const [narrowest, widest] = [48, 900];

/** The columns that are shown when nobody chose others. */
export const defaultColumns: Column[] = columnIds
  .filter((id) => !columnSpecs[id].operators && !columnSpecs[id].optional)
  .map((id) => ({ id, width: columnSpecs[id].width }));

function elapsed(row: Row, { now }: CellContext) {
  if (row.startTime) return formatElapsed(row.startTime, row.completeTime, now);
  if (isFinal(row.state)) return nothing;
  return html`<span class="quiet-text" title="It has not started yet">waits ${formatElapsed(row.submitTime, undefined, now).replace(/ \d+ \S+$/, '')}</span>`;
}

function progress(row: Row) {
  if (row.state !== 'STATE_RUNNING') {
    const words = [reasonWords(row.reason), placeShort(row)].filter(Boolean).join(' · ');
    return words ? html`<span class="quiet-text" title=${row.message ?? ''}>${words}</span>` : nothing;
  }
  const percent = row.progress?.percent;
  const words = row.progress?.message ?? '';
  if (percent === undefined) return html`<span class="quiet-text" title=${words}>${words}</span>`;
  return html`<span class="meter" role="progressbar" aria-label="Progress of job ${row.id}" aria-valuemin="0" aria-valuemax="100"
    aria-valuenow=${percent} title=${words}><span class="fill" ${styles({ width: `${percent}%` })}></span></span><span class="percent">${percent}%</span>`;
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
      columns.push({ id, width: fitWidth(Number(width) || columnSpecs[id].width) });
    }
  }
  return columns.length > 0 ? columns : defaultColumns;
}

/** Writes what parseColumns reads. */
export function formatColumns(columns: readonly Column[]): string {
  const write = (list: readonly Column[]) =>
    list.map(({ id, width }) => (width === columnSpecs[id].width ? id : `${id}:${width}`)).join(',');
  const text = write(columns);
  return text === write(defaultColumns) ? '' : text;
}
