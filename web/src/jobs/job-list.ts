// The jobs of one query, as far as they were asked for, kept true by the news of
// the watch. Pages are read one behind the other by the server's tokens; a job that changes is changed in
// place, and no row moves because of it.

import { listJobs } from '../base/calls';
import type { News } from '../base/watch';
import type { JobJson } from '../gen/stint/jobs/v1/job_pb';
import type { ListResponseJson } from '../gen/stint/jobs/v1/job_service_pb';
import type { JobQuery } from './view-state';

/** What the table shows of a job. */
export interface Row
  extends Pick<
    JobJson,
    | 'owner'
    | 'service'
    | 'outputName'
    | 'state'
    | 'reason'
    | 'message'
    | 'submitTime'
    | 'startTime'
    | 'completeTime'
    | 'cancelTime'
    | 'progress'
    | 'exitCode'
    | 'queuePosition'
    | 'expectedStartTime'
    | 'expectedCompleteTime'
    | 'expectedStartRange'
    | 'expectedCompleteRange'
    | 'expectationNote'
    | 'expireTime'
    | 'keepTime'
  > {
  id: string;
  /** Of the job's change that this row shows. */
  revision: number;
  /** Whether the job does not fit the query any more. */
  left?: boolean;
}

/** How a row fits the query, as far as that can be told without the server. */
export type Fit = 'yes' | 'no' | 'unknown';

const firstPage = 100;
const nextPage = 250;
const largestPage = 1000;
/** How many rows below the last visible one are loaded ahead. */
const ahead = 400;

/** How long to gather jobs before the server is asked about them, and how many it is asked about at once. */
const askMillis = 500;
const askAtMost = 25;

export class JobList {
  rows: Row[] = [];
  /** How many jobs match, where that was counted to the end. */
  total = 0;
  totalExact = false;
  /** Whether all jobs are in rows. */
  complete = false;
  /** Whether nothing was read yet. */
  empty = true;
  loading = false;
  error: unknown;
  /** How many changes the order or the choice of rows does not show. */
  stale = 0;

  private token = '';
  private revision = 0; // the list was read no earlier than at this change
  private cursor = ''; // where it was read
  private told = ''; // the cursor of the news from which on all changes were told
  private behind = false; // what was read may be older than `told`
  private byId = new Map<string, number>();
  private run = 0;
  private abort = new AbortController();
  private wanted = 0;
  /** The highest id that the server had when the list was read: a job with a higher one is new. */
  private newest: string | undefined;
  /** Jobs that changed and of which only the server can tell whether they belong to the list. */
  private unsure = new Set<string>();
  private asking: ReturnType<typeof setTimeout> | undefined;
  private reading: Promise<void> = Promise.resolve();

  constructor(
    readonly query: JobQuery,
    private fits: (job: JobJson) => Fit,
    private changed: (list: JobList) => void,
  ) {}

  /** Goes on for another listener. What changed meanwhile is read when the first news comes. */
  resume(changed: (list: JobList) => void, fits: (job: JobJson) => Fit): this {
    this.changed = changed;
    this.fits = fits;
    this.told = '';
    this.error = undefined;
    return this;
  }

  /** Stops what is under way. The rows stay. */
  stop(): void {
    this.run++;
    this.abort.abort();
    clearTimeout(this.asking);
    this.asking = undefined;
    this.loading = false;
  }

  rowOf(id: string): Row | undefined {
    const index = this.byId.get(id);
    return index === undefined ? undefined : this.rows[index];
  }

  indexOf(id: string): number {
    return this.byId.get(id) ?? -1;
  }

  /** Sees to it that the rows up to an index are there, and some more. */
  want(index: number): void {
    this.wanted = Math.max(this.wanted, index);
    if (!this.loading && !this.error && this.short(this.rows.length)) this.reading = this.load();
  }

  /** Reads until there are so many rows, or no more, or an error. */
  async readTo(count: number): Promise<void> {
    const { run } = this;
    while (this.rows.length < count && !this.complete && !this.error && (run === this.run || this.loading)) {
      this.want(count - 1);
      await this.reading;
    }
  }

  /** Tries again after an error. */
  retry(): void {
    this.error = undefined;
    if (this.empty) this.reading = this.load();
    else this.want(this.wanted);
  }

  private short(have: number): boolean {
    return this.empty || (!this.complete && have < this.wanted + ahead);
  }

  private async load(): Promise<void> {
    const run = this.begin();
    try {
      while (this.short(this.rows.length)) {
        const missing = this.wanted + ahead - this.rows.length;
        const size = this.empty && missing <= ahead ? firstPage : missing > nextPage * 2 ? largestPage : nextPage;
        const page = await this.read(size, this.token);
        if (run !== this.run) return;
        if (this.newest === undefined) void this.readNewest(this.abort.signal);
        this.take(page);
        this.changed(this);
      }
    } catch (error) {
      if (run === this.run) this.error = error;
    }
    if (run === this.run) this.end();
  }

  private begin(): number {
    this.loading = true;
    this.error = undefined;
    this.abort = new AbortController();
    return ++this.run;
  }

  private end(): void {
    this.loading = false;
    this.changed(this);
    // What was read may be older than the first news.
    if (!this.error && this.behind) void this.refresh();
  }

  private read(pageSize: number, pageToken: string): Promise<ListResponseJson> {
    return listJobs({ ...this.query, pageSize, pageToken }, this.abort.signal);
  }

  private take(page: ListResponseJson): void {
    if (this.empty) {
      this.cursor = page.cursor ?? '';
      this.behind &&= this.cursor !== this.told;
    }
    this.empty = false;
    this.total = Number(page.totalSize ?? 0);
    this.totalExact = page.totalSizeExact ?? false;
    this.token = page.nextPageToken ?? '';
    this.complete = this.token === '';
    for (const job of page.jobs ?? []) {
      const row = rowOf(job);
      this.revision = Math.max(this.revision, row.revision);
      const at = this.byId.get(row.id);
      // It came by the watch before its page did, or moved over the border of two pages.
      if (at !== undefined) {
        if (row.revision > (this.rows[at]?.revision ?? 0)) this.rows[at] = row;
        continue;
      }
      this.byId.set(row.id, this.rows.length);
      this.rows.push(row);
    }
  }

  /** Reads anew all that is loaded up to an index, and shows it at once when it is complete. */
  async refresh(upTo = this.wanted): Promise<void> {
    if (this.empty && !this.loading) {
      this.want(upTo);
      return;
    }
    this.wanted = upTo;
    const fresh = new JobList(this.query, this.fits, () => {});
    fresh.wanted = upTo;
    this.unsure.clear();
    this.behind = false;
    const run = this.begin();
    const { signal } = this.abort;
    signal.addEventListener('abort', () => fresh.stop());
    await fresh.load();
    if (run !== this.run) return;
    if (fresh.error) this.error = fresh.error;
    else {
      const old = this.rows;
      const oldAt = this.byId;
      Object.assign(this, { rows: fresh.rows, byId: fresh.byId, total: fresh.total, totalExact: fresh.totalExact });
      Object.assign(this, {
        complete: fresh.complete,
        token: fresh.token,
        revision: fresh.revision,
        cursor: fresh.cursor,
        newest: fresh.newest,
        empty: false,
        stale: 0,
      });
      // News came while it was read.
      for (const [i, row] of this.rows.entries()) {
        const before = old[oldAt.get(row.id) ?? -1];
        if (before && before.revision > row.revision) this.rows[i] = before;
      }
    }
    this.end();
  }

  /** Takes in news. */
  apply(news: News): void {
    if (news.cursor && (!this.told || news.reset)) {
      this.told = news.cursor;
      this.behind = this.empty ? this.loading : this.cursor !== this.told;
      if (this.behind && !this.loading) void this.refresh();
    }
    if (this.empty) return;
    let structure = false;
    for (const job of news.changes) structure = this.applyOne(job) || structure;
    for (const id of news.removed) structure = this.remove(id) || structure;
    if (structure) this.reindex();
    this.changed(this);
  }

  private applyOne(job: JobJson): boolean {
    const { id, revision } = rowOf(job);
    const at = this.byId.get(id);
    const row = at === undefined ? undefined : this.rows[at];
    const fit = this.fits(job);
    if (row && at !== undefined) {
      if (revision <= row.revision) return false;
      const next: Row = { ...rowOf(job), left: fit === 'no' };
      if (next.left !== (row.left ?? false)) this.stale += next.left ? 1 : -1;
      else if (this.misplaces(row, next)) this.stale++;
      this.rows[at] = next;
      return false;
    }
    if (fit === 'no' || revision <= this.revision) return false;
    if (fit === 'yes' && this.newestFirst()) return this.insert(rowOf(job));
    const isNew = this.newest !== undefined && compareIds(id, this.newest) > 0;
    if (!isNew && !this.movesWithChanges) return false;
    if (fit === 'yes') this.stale++;
    else this.askAbout(id);
    return false;
  }

  // readNewest asks for the highest id of all jobs, whether or not they are in the list: it tells new jobs from others.
  private async readNewest(signal: AbortSignal): Promise<void> {
    this.newest = '';
    try {
      const { owner } = this.query;
      const page = await listJobs({ owner, orderBy: 'id desc', pageSize: 1 }, signal);
      this.newest = page.jobs?.[0]?.id ?? '';
    } catch {
      this.newest = undefined; // new jobs are told from others after the next page
    }
  }

  // askAbout has the server say whether a job that changed belongs to the list: words and labels are known there alone.
  private askAbout(id: string): void {
    this.unsure.add(id);
    this.asking ??= setTimeout(() => {
      this.asking = undefined;
      void this.askNow();
    }, askMillis);
  }

  private async askNow(): Promise<void> {
    const { run } = this;
    const ids = [...this.unsure].filter((id) => !this.byId.has(id)).slice(0, askAtMost);
    for (const id of ids) this.unsure.delete(id);
    if (ids.length === 0) return this.unsure.clear();
    const these = `(${ids.map((id) => `id = ${id}`).join(' OR ')})`;
    const filter = this.query.filter ? `(${this.query.filter}) AND ${these}` : these;
    // A filter may have 1,024 bytes. Of jobs that do not fit into one it is said that they may belong to the list.
    if (filter.length > 1000) {
      this.stale += ids.length;
      return this.changed(this);
    }
    try {
      const page = await listJobs({ ...this.query, filter, pageSize: ids.length }, this.abort.signal);
      if (run !== this.run) return;
      const rows = (page.jobs ?? []).map(rowOf).filter((row) => !this.byId.has(row.id));
      for (const row of rows) if (!this.newestFirst() || !this.insert(row)) this.stale++;
      if (rows.length > 0) this.changed(this);
      if (this.unsure.size > 0) for (const id of this.unsure) this.askAbout(id);
    } catch {
      // The next change asks again.
    }
  }

  // misplaces reports whether the order of the rows is not that of the query any more.
  private misplaces(before: Row, after: Row): boolean {
    const [field] = this.query.orderBy.split(' ');
    const key = { state: 'state', start_time: 'startTime', complete_time: 'completeTime' } as const;
    const name = key[field as keyof typeof key];
    return name !== undefined && before[name] !== after[name];
  }

  // Whether a job's place in the list may depend on what changes while it lives.
  private get movesWithChanges(): boolean {
    return /state|reason|start_time|complete_time|exit_code/.test(`${this.query.filter} ${this.query.orderBy}`);
  }

  private newestFirst(): boolean {
    return this.query.orderBy === 'submit_time desc' || this.query.orderBy === 'id desc';
  }

  // insert puts a job where it belongs among rows that stand newest first. Ids grow with the time of submission.
  private insert(row: Row): boolean {
    let low = 0;
    let high = this.rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (compareIds(this.rows[middle]?.id ?? '', row.id) > 0) low = middle + 1;
      else high = middle;
    }
    // It stands on a page that is not loaded yet.
    if (low === this.rows.length && !this.complete) return false;
    this.rows.splice(low, 0, row);
    this.total++;
    this.reindex(low);
    return true;
  }

  private remove(id: string): boolean {
    const at = this.byId.get(id);
    if (at === undefined) return false;
    this.rows.splice(at, 1);
    this.total--;
    this.reindex();
    return true;
  }

  private reindex(from = 0): void {
    if (from === 0) this.byId.clear();
    for (let i = from; i < this.rows.length; i++) this.byId.set(this.rows[i]?.id ?? '', i);
  }
}

/** Compares decimal ids of any length. */
export function compareIds(a: string, b: string): number {
  return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);
}

/** What the table shows of a job. */
export function rowOf(s: JobJson): Row {
  return {
    id: s.id ?? '',
    revision: Number(s.revision ?? 0),
    owner: s.owner ?? '',
    service: s.service ?? '',
    outputName: s.outputName ?? '',
    state: s.state ?? 'STATE_UNSPECIFIED',
    reason: s.reason ?? 'REASON_UNSPECIFIED',
    message: s.message ?? '',
    ...(s.submitTime && { submitTime: s.submitTime }),
    ...(s.startTime && { startTime: s.startTime }),
    ...(s.completeTime && { completeTime: s.completeTime }),
    ...(s.cancelTime && { cancelTime: s.cancelTime }),
    ...(s.progress && { progress: s.progress }),
    ...(s.exitCode !== undefined && { exitCode: s.exitCode }),
    ...(s.queuePosition && { queuePosition: s.queuePosition }),
    ...(s.expectedStartTime && { expectedStartTime: s.expectedStartTime }),
    ...(s.expectedCompleteTime && { expectedCompleteTime: s.expectedCompleteTime }),
    ...(s.expectedStartRange && { expectedStartRange: s.expectedStartRange }),
    ...(s.expectedCompleteRange && { expectedCompleteRange: s.expectedCompleteRange }),
    ...(s.expectationNote && { expectationNote: s.expectationNote }),
    ...(s.expireTime && { expireTime: s.expireTime }),
    ...(s.keepTime && { keepTime: s.keepTime }),
  };
}
