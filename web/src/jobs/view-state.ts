// What the Job Status page shows, as its address says it. The address is the
// only place where this is kept, so that the back button, a reload and a copied link all restore it.
import { type StateName, states } from '../base/words';
import { type Column, defaultColumns, formatColumns, parseColumns } from './columns';

export const sortFields = [
  'submit_time',
  'start_time',
  'complete_time',
  'service',
  'state',
  'output_name',
  'id',
] as const;
export type SortField = (typeof sortFields)[number];

export interface ViewState {
  /** States to show; empty means all. */
  states: StateName[];
  /** Id of the service to show; empty means all. */
  service: string;
  /** First and last day of submission, in the browser's zone, as YYYY-MM-DD; empty means no bound. */
  from: string;
  to: string;
  /** Words to search for. */
  search: string;
  /** A condition that the user wrote; taken together with the others. */
  filter: string;
  sort: SortField;
  desc: boolean;
  /** Whether to show everybody's jobs. */
  everybody: boolean;
  /** Whether times are shown as distances from now. */
  relative: boolean;
  columns: Column[];
  /** Ids of the selected jobs. They are nobody else's: the entry of the history has them, and an address may begin with some. */
  selected: string[];
  /** Index of the first visible row. */
  row: number;
}

/** Reads the query of the address, and the state of its entry in the history. What makes no sense is left out. */
export function parseView(query: URLSearchParams, state?: unknown): ViewState {
  const sort = sortFields.find((f) => f === query.get('sort')) ?? 'submit_time';
  const order = query.get('order');
  return {
    states: states.filter((s) => list(query.get('state')).includes(s)),
    service: query.get('service') ?? '',
    from: day(query.get('from')),
    to: day(query.get('to')),
    search: query.get('q') ?? '',
    filter: query.get('filter') ?? '',
    sort,
    desc: order === 'desc' || (order !== 'asc' && startsDescending(sort)),
    everybody: query.get('owner') === '*',
    relative: query.get('time') === 'relative',
    columns: parseColumns(query.get('columns') ?? ''),
    selected: selectionOf(state) ?? list(query.get('selected')).filter(isId),
    row: Math.max(0, Math.trunc(Number(query.get('row')) || 0)),
  };
}

/** Writes the address of a view below the server's own. What is as usual is left out. */
export function formatView(view: ViewState): string {
  const query = new URLSearchParams();
  const set = (name: string, value: string) => value && query.set(name, value);
  set('state', view.states.join(','));
  set('service', view.service);
  set('from', view.from);
  set('to', view.to);
  set('q', view.search);
  set('filter', view.filter);
  set('sort', view.sort === 'submit_time' ? '' : view.sort);
  set('order', view.desc === startsDescending(view.sort) ? '' : view.desc ? 'desc' : 'asc');
  set('owner', view.everybody ? '*' : '');
  set('time', view.relative ? 'relative' : '');
  set('columns', formatColumns(view.columns));
  set('row', view.row ? String(view.row) : '');
  // Commas are allowed in a query, and people read addresses.
  const text = query.toString().replaceAll('%2C', ',').replaceAll('%3A', ':');
  return text ? `jobs?${text}` : 'jobs';
}

/** Times are sorted newest first unless asked otherwise. */
export function startsDescending(sort: SortField): boolean {
  return sort.endsWith('_time') || sort === 'id';
}

/** What the entry of the history keeps of a view beside its address. */
export function historyState(view: ViewState): unknown {
  return view.selected.length > 0 ? { selected: view.selected } : null;
}

const isId = (id: unknown): id is string => typeof id === 'string' && /^\d{1,20}$/.test(id);

function selectionOf(state: unknown): string[] | undefined {
  const selected = (state as { selected?: unknown } | null | undefined)?.selected;
  return Array.isArray(selected) ? selected.filter(isId) : undefined;
}

function list(text: string | null): string[] {
  return text ? text.split(',') : [];
}

function day(text: string | null): string {
  return text && /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(Date.parse(text)) ? text : '';
}

/** Which parts of the view a query to the server depends on. */
export interface JobQuery {
  filter: string;
  orderBy: string;
  owner: string;
}

export function queryOf(view: ViewState): JobQuery {
  return {
    filter: filterText(view),
    orderBy: `${view.sort}${view.desc ? ' desc' : ''}`,
    owner: view.everybody ? '*' : '',
  };
}

/** The whole condition in the language of the server. */
export function filterText(view: ViewState): string {
  const parts: string[] = [];
  if (view.filter.trim()) parts.push(needsParentheses(view.filter) ? `(${view.filter.trim()})` : view.filter.trim());
  const wanted = view.states.map((s) => `state = ${s.toUpperCase()}`);
  if (wanted.length > 0) parts.push(wanted.length > 1 ? `(${wanted.join(' OR ')})` : wanted.join());
  if (view.service) parts.push(`service = ${quote(view.service)}`);
  if (view.from) parts.push(`submit_time >= "${midnight(view.from, 0)}"`);
  if (view.to) parts.push(`submit_time < "${midnight(view.to, 1)}"`);
  parts.push(...searchWords(view.search).map(quote));
  return parts.join(' AND ');
}

/** Whether the view shows a part of the jobs only. */
export function isFiltered(view: ViewState): boolean {
  return filterText(view) !== '';
}

/** The view without any condition. */
export function withoutFilter(view: ViewState): ViewState {
  return { ...view, states: [], service: '', from: '', to: '', search: '', filter: '' };
}

function needsParentheses(filter: string): boolean {
  return /\bOR\b/.test(filter) || filter.includes(' ');
}

// searchWords splits what was typed into words; quotes keep a phrase together.
function searchWords(text: string): string[] {
  return [...text.matchAll(/"([^"]*)"|[^\s"]+/g)].map((m) => (m[1] ?? m[0]).trim()).filter((w) => w !== '');
}

function quote(text: string): string {
  return `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;
}

// midnight is when a day begins in the browser's zone, some days on.
function midnight(text: string, days: number): string {
  const [year = 0, month = 1, date = 1] = text.split('-').map(Number);
  return new Date(year, month - 1, date + days).toISOString().replace('.000', '');
}

export { defaultColumns };
