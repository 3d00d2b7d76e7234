// The Job Status page. It puts together what the address says (view-state), the
// jobs of that query (job-list), the live counts (facets) and what is done with the selected ones (actions).
import { html, LitElement, nothing, type PropertyValues } from 'lit';
import { customElement, property, query, state } from 'lit/decorators.js';
import type { ServiceJson } from '../gen/stint/catalog/v1/catalog_service_pb';
import type { JobJson } from '../gen/stint/jobs/v1/job_pb';
import type { BatchGetResponseJson, SummaryJson } from '../gen/stint/jobs/v1/job_service_pb';
import '../base/action-bar';
import { announce } from '../base/announce';
import { ApiError, call } from '../base/api';
import { listServices } from '../base/calls';
import { followMedia, followSession } from '../base/follow';
import { formatClock, formatCount, millis } from '../base/format';
import { icon } from '../base/icons';
import { navigate, type PageElement, type Route } from '../base/router';
import { sharedStyles } from '../base/styles';
import { readSetting, writeSetting } from '../base/theme';
import { toast } from '../base/toast';
import { type Link, type News, wake, watch } from '../base/watch';
import { stateName } from '../base/words';
import { detailsAction, jobActions, viewJob } from './actions';
import './column-menu';
import { type Column, formatColumns, parseColumns } from './columns';
import { countFacets, type Facets, facetsOf, liveCountsSuffice, totalOf } from './facets';
import './details';
import './filter-bar';
import { type Fit, JobList, type Row, rowOf } from './job-list';
import { pageStyles } from './page-styles';
import './table';
import type { JobTable, TableEvents } from './table';
import {
  filterText,
  formatView,
  historyState,
  isFiltered,
  parseView,
  queryOf,
  type ViewState,
  withoutFilter,
} from './view-state';

export const tag = 'stint-jobs-page';

const columnsSetting = 'stint-columns';
const detailsSetting = 'stint-details';
const countDelay = 1500;
/** More jobs than this are not selected at once: the page reads each of them. */
const selectAtMost = 10_000;
/** Ids a call. */
const getAtMost = 500;

/** The list that was left, so that coming back from a job shows it at once. */
let kept: JobList | undefined;

@customElement(tag)
export class JobsPage extends LitElement implements PageElement {
  static override styles = [sharedStyles, pageStyles];

  @property({ attribute: false }) route!: Route;
  @state() private view: ViewState = parseView(new URLSearchParams());
  @state() private services: ReadonlyMap<string, ServiceJson> = new Map();
  @state() private facets: Facets | undefined;
  @state() private link: Link | undefined;
  @state() private version = 0;
  @state() private selectingAll = false;
  @state() private details = readSetting(detailsSetting) === 'on';
  @query('stint-job-table') private table!: JobTable | null;

  private readonly session = followSession(this);
  /** Whether there is room for the details beside the table. */
  private readonly wide = followMedia(this, '(min-width: 1001px)');
  private list: JobList | undefined;
  private summary: SummaryJson | undefined;
  private life = new AbortController();
  private watching: AbortController | undefined;
  private watched: string | undefined;
  private counting: AbortController | undefined;
  private countTimer: ReturnType<typeof setTimeout> | undefined;
  private restoreRow = 0;
  /** The conditions, but for those on states, that the server was last asked to count. */
  private countedFor: string | undefined;
  /** Selected jobs that are on no page that was read. */
  private others = new Map<string, Row>();
  /** Selected jobs that are not there. */
  private missing = new Set<string>();

  override connectedCallback(): void {
    super.connectedCallback();
    this.life = new AbortController();
    void this.loadServices();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.life.abort();
    this.watching?.abort();
    this.watched = undefined;
    this.counting?.abort();
    clearTimeout(this.countTimer);
    this.list?.stop();
  }

  private async loadServices(): Promise<void> {
    try {
      const services = await listServices();
      this.services = new Map(services.map((s) => [s.id ?? '', s]));
    } catch {
      // Ids are shown in place of labels.
    }
  }

  // ----- the address

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (!changed.has('route')) return;
    const { query: given } = this.route;
    const view = parseView(given, history.state);
    if (!given.has('columns')) view.columns = parseColumns(readSetting(columnsSetting) ?? '');
    const before = this.view;
    this.view = view;
    this.follow(before);
  }

  // follow makes everything fit the view of the address.
  private follow(before: ViewState): void {
    const wanted = queryOf(this.view);
    const same = this.list && JSON.stringify(this.list.query) === JSON.stringify(wanted);
    if (!same) {
      this.list?.stop();
      const keep = kept && JSON.stringify(kept.query) === JSON.stringify(wanted) ? kept : undefined;
      this.list = keep?.resume(this.onList, this.fits) ?? new JobList(wanted, this.fits, this.onList);
      kept = this.list;
      this.restoreRow = this.view.row;
      this.scrolledTo = this.view.row;
      this.list.want(this.restoreRow);
      this.version++;
    } else if (this.view.row !== before.row && this.view.row !== this.scrolledTo) {
      // The address has another place than the one that was scrolled to: it is gone back to.
      this.restoreRow = this.view.row;
      this.list?.want(this.restoreRow);
    }
    this.watchOwner(wanted.owner);
    this.updateFacets(filterText({ ...this.view, states: [] }) !== this.countedFor);
    void this.loadOthers();
  }

  private go(part: Partial<ViewState>, replace = false): void {
    const next = { ...this.view, ...part };
    if (queryChanged(this.view, next)) {
      next.row = 0;
      next.selected = [];
    }
    if (part.columns) writeSetting(columnsSetting, formatColumns(part.columns) || undefined);
    const address = formatView(next);
    const selection = String(next.selected) !== String(this.view.selected);
    if (address !== formatView(this.view) || selection || this.route.path === '')
      navigate(address, { replace, state: historyState(next) });
  }

  // ----- what the server says

  private watchOwner(owner: string): void {
    if (this.watched === owner) return;
    this.watching?.abort();
    this.watching = new AbortController();
    this.watched = owner;
    this.summary = undefined;
    watch({ owner, signal: this.watching.signal }, (news) => this.onNews(news));
  }

  private onNews(news: News): void {
    const wasDown = this.link?.live === false;
    this.link = news.link;
    if (news.counts) this.summary = news.counts;
    for (const row of news.changes.map(rowOf)) {
      const other = this.others.get(row.id);
      if (other && row.revision > other.revision) this.others.set(row.id, row);
    }
    this.list?.apply(news);
    // What the server has refused it refuses again.
    if (news.link.live && wasDown && this.list?.error && !refused(this.list.error)) this.list.retry();
    this.updateFacets(false);
  }

  // The row that the user scrolled to last. While the address is told of it they may have gone on.
  private scrolledTo = 0;

  private onList = (list: JobList) => {
    if (list !== this.list) return;
    this.version++;
    if (this.restoreRow > 0 && (list.rows.length > this.restoreRow || list.complete || list.error)) {
      const row = Math.min(this.restoreRow, Math.max(0, list.rows.length - 1));
      this.restoreRow = 0;
      void this.updateComplete.then(() => this.table?.updateComplete).then(() => this.table?.scrollToRow(row));
    }
  };

  // fits says whether a job belongs to the query, as far as that can be said here.
  private fits = (job: JobJson): Fit => {
    const { view } = this;
    const name = stateName(job.state);
    if (view.states.length > 0 && name && !view.states.includes(name)) return 'no';
    if (view.service && job.service !== view.service) return 'no';
    const submitted = millis(job.submitTime);
    if (view.from && submitted < new Date(`${view.from}T00:00`).getTime()) return 'no';
    if (view.to && submitted >= new Date(`${view.to}T00:00`).getTime() + 24 * 3600e3) return 'no';
    return view.search || view.filter ? 'unknown' : 'yes';
  };

  private updateFacets(viewChanged: boolean): void {
    const live = this.summary && facetsOf(this.summary, this.view);
    if (liveCountsSuffice(this.view)) {
      this.countedFor = undefined;
      if (!live) return;
      this.counting?.abort();
      clearTimeout(this.countTimer);
      this.countTimer = undefined;
      this.facets = live;
      return;
    }
    const services = live?.services ?? this.facets?.services ?? new Map<string, number>();
    if (this.facets && !viewChanged) this.facets = { ...this.facets, services };
    if (viewChanged) {
      clearTimeout(this.countTimer);
      this.countTimer = undefined;
      this.countedFor = filterText({ ...this.view, states: [] });
      void this.count(services);
    } else {
      // Counting costs the server a look at every job; not for every change.
      this.countTimer ??= setTimeout(() => {
        this.countTimer = undefined;
        void this.count(services);
      }, countDelay);
    }
  }

  private async count(services: Map<string, number>): Promise<void> {
    this.counting?.abort();
    this.counting = new AbortController();
    const { signal } = this.counting;
    try {
      const facets = await countFacets(this.view, services, signal);
      if (!signal.aborted)
        this.facets = this.summary ? { ...facets, services: facetsOf(this.summary, this.view).services } : facets;
    } catch {
      // The list says what is wrong.
    }
  }

  // loadOthers reads selected jobs that the address names and no page has.
  private async loadOthers(): Promise<void> {
    if (this.readingOthers) return;
    this.readingOthers = true;
    const { signal } = this.life;
    try {
      for (;;) {
        const ids = this.view.selected.filter((id) => this.unread(id)).slice(0, getAtMost);
        if (ids.length === 0) break;
        const answer = await call<BatchGetResponseJson>('GET', 'v1/jobs:batchGet', { query: { ids }, signal });
        for (const job of answer.jobs ?? []) this.others.set(job.id ?? '', rowOf(job));
        for (const id of ids) if (!this.others.has(id)) this.missing.add(id);
        this.requestUpdate();
      }
    } catch {
      // They stay selected by name, and no action is offered.
    }
    this.readingOthers = false;
  }

  private readingOthers = false;

  private unread(id: string): boolean {
    return !this.list?.rowOf(id) && !this.others.has(id) && !this.missing.has(id);
  }

  // selectAll selects every job that matches, and says where that are more than it takes.
  private async selectAll(): Promise<void> {
    const { list } = this;
    if (!list) return;
    this.selectingAll = true;
    await list.readTo(selectAtMost);
    this.selectingAll = false;
    if (list !== this.list || list.error) return;
    this.go({ selected: list.rows.slice(0, selectAtMost).map((r) => r.id) }, true);
    if (!list.complete || list.rows.length > selectAtMost)
      toast(`The first ${formatCount(selectAtMost)} jobs are selected. More match: narrow the list to reach them.`);
  }

  // Everybody's jobs are shown with whose they are, however one came to see them.
  private get columns(): Column[] {
    const { columns, everybody } = this.view;
    if (!everybody || columns.some((c) => c.id === 'owner')) return columns;
    return columns.toSpliced(3, 0, { id: 'owner' });
  }

  private get selectedRows(): Row[] {
    const rows = this.view.selected.map((id) => this.list?.rowOf(id) ?? this.others.get(id));
    return rows.filter((row) => row !== undefined);
  }

  private get total(): { count: number; exact: boolean } | undefined {
    if (this.facets && liveCountsSuffice(this.view)) return { count: totalOf(this.facets, this.view), exact: true };
    if (!this.list || this.list.empty) return undefined;
    return { count: this.list.total, exact: this.list.totalExact };
  }

  // ----- drawing

  private toggleDetails(): void {
    this.details = !this.details;
    writeSetting(detailsSetting, this.details ? 'on' : undefined);
  }

  protected override updated(): void {
    const total = this.total;
    const words = this.list?.empty === false && total ? `${formatCount(total.count)} jobs` : '';
    if (words && isFiltered(this.view) && words !== this.told) announce(words);
    this.told = words;
  }
  private told = '';

  private renderLink() {
    const { link } = this;
    if (!link) return nothing;
    if (link.live)
      return html`<span class="link live" title="Changes are shown as they happen"><span class="dot"></span>Live</span>`;
    if (!link.problem) return nothing;
    return html`<span class="link offline" role="status" title=${link.problem}>${icon('offline')}Offline${link.heard ? `, since ${formatClock(link.heard)}` : ''}
      <button class="button quiet" @click=${() => wake()}>Try now</button></span>`;
  }

  private renderState(list: JobList) {
    if (list.error && list.empty) {
      // What is wrong with a filter is said at the filter.
      const filter = list.error instanceof ApiError && list.error.violations.some((v) => v.field === 'filter');
      if (filter)
        return html`<div class="blank"><h2>The jobs cannot be shown</h2><p>Correct the filter above.</p></div>`;
      return html`<div class="blank"><h2>The jobs cannot be shown</h2><p>${wordsOf(list.error)}</p>
        <button class="button" @click=${() => list.retry()}>Try again</button></div>`;
    }
    if (list.empty || list.rows.length > 0 || !list.complete) return nothing;
    if (isFiltered(this.view)) {
      return html`<div class="blank"><h2>No job matches</h2><p>Nothing fits all the conditions above.</p>
        <button class="button" @click=${() => this.go(withoutFilter(this.view))}>Show all jobs</button></div>`;
    }
    return html`<div class="blank"><h2>No jobs yet</h2><p>Start an analysis, and you can follow it here.</p>
      <a class="button primary" href="services">Choose a service</a></div>`;
  }

  private renderFoot(list: JobList) {
    const total = this.total;
    const shown = this.view.selected.filter((id) => !this.missing.has(id)).length;
    return html`<footer>
      <span>${total && !list.empty ? `${formatCount(total.count)}${total.exact ? '' : '+'} ${total.count === 1 ? 'job' : 'jobs'}` : ' '}</span>
      ${
        shown > 0
          ? html`<span><span role="status">${formatCount(shown)} selected</span>
            ${this.renderSelectAll(list, shown, total)}
            <button class="button quiet" @click=${() => this.go({ selected: [] }, true)}>Clear selection</button></span>`
          : nothing
      }
      ${
        list.stale > 0 && !list.loading
          ? html`<button class="button quiet stale" @click=${() => list.refresh(this.table?.firstVisible() ?? 0)}>${icon('rerun')}The list has changed · Update</button>`
          : nothing
      }
      ${list.loading && !list.empty ? html`<span class="quiet-text">Loading …</span>` : nothing}
      ${list.error && !list.empty ? html`<span class="bad">${wordsOf(list.error)} <button class="button quiet" @click=${() => list.retry()}>Try again</button></span>` : nothing}
    </footer>`;
  }

  // All rows that are loaded are not all jobs that match.
  private renderSelectAll(list: JobList, selected: number, total: { count: number; exact: boolean } | undefined) {
    if (this.selectingAll) return html`<span class="quiet-text">Reading ${formatCount(list.rows.length)} …</span>`;
    if (list.complete || selected < list.rows.length || !total || total.count <= selected || selected >= selectAtMost)
      return nothing;
    const words =
      total.count > selectAtMost
        ? `Select the first ${formatCount(selectAtMost)} of ${formatCount(total.count)}${total.exact ? '' : '+'} that match`
        : `Select all ${formatCount(total.count)}${total.exact ? '' : '+'} that match`;
    return html`<button class="button quiet" data-action="all" @click=${() => this.selectAll()}>${words}</button>`;
  }

  override render() {
    const { view, list } = this;
    if (!list) return nothing;
    const selected = this.selectedRows;
    const pending = view.selected.some((id) => this.unread(id));
    const actions = jobActions(selected, this.session, pending);
    const filterProblem =
      list.error instanceof ApiError && list.error.violations.some((v) => v.field === 'filter')
        ? list.error.message
        : '';
    const on =
      <K extends keyof TableEvents>(run: (detail: TableEvents[K]) => void) =>
      (event: CustomEvent<TableEvents[K]>) =>
        run(event.detail);
    return html`
      <header>
        <div class="title"><h1>Jobs</h1>${this.renderLink()}<span class="grow"></span>
          <stint-column-menu   .columns=${this.columns} .relative=${view.relative}
            @columns=${(e: CustomEvent<Column[]>) => this.go({ columns: e.detail }, true)}
            @relative=${(e: CustomEvent<boolean>) => this.go({ relative: e.detail }, true)}></stint-column-menu></div>
        <stint-filter-bar .view=${view} .facets=${this.facets} .services=${this.services} .problem=${filterProblem}
          .operator=${this.session.operator || view.everybody} @retry=${() => list.retry()}
          @change=${(e: CustomEvent<Partial<ViewState>>) => this.go(e.detail, typesOn(view, e.detail))}></stint-filter-bar>
      </header>
      <div class="content">
        <div class="panel list" aria-busy=${list.loading && list.empty ? 'true' : 'false'}>
          <stint-job-table .list=${list} .version=${this.version} .columns=${this.columns} .services=${this.services} .selected=${new Set(view.selected)}
            .sort=${view.sort} ?desc=${view.desc} ?relative=${view.relative}
            @sort=${on<'sort'>((d) => this.go(d))} @columns=${on<'columns'>((columns) => this.go({ columns }, true))}
            @select=${on<'select'>((selected) => this.go({ selected }, true))} @view=${on<'view'>(viewJob)}
            @scrolled=${on<'scrolled'>((row) => {
              this.scrolledTo = row;
              this.go({ row }, true);
            })}></stint-job-table>
          ${this.renderState(list)}
          ${this.renderFoot(list)}
        </div>
        <stint-action-bar class="panel ${view.selected.length === 0 ? 'idle' : ''}" ariaLabel="Actions on the selected jobs"
          .actions=${this.wide.matches ? [...actions, detailsAction(this.details, () => this.toggleDetails())] : actions}></stint-action-bar>
        ${this.details ? html`<stint-job-details class="panel" .rows=${selected} .services=${this.services}></stint-job-details>` : nothing}
      </div>`;
  }
}

// What is typed letter by letter is one step of the history, not one a letter.
function typesOn(view: ViewState, part: Partial<ViewState>): boolean {
  return Object.keys(part).length === 1 && Boolean(part.search) && view.search !== '';
}

const refused = (error: unknown) => error instanceof ApiError && !error.unreachable;

function queryChanged(a: ViewState, b: ViewState): boolean {
  return JSON.stringify(queryOf(a)) !== JSON.stringify(queryOf(b));
}

function wordsOf(error: unknown): string {
  return error instanceof ApiError ? error.message : 'Something went wrong in this page.';
}
