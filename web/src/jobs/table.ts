// The table of jobs: only the rows in sight are in the document, however many there
// are. The focus stays on the table, which says which row is the active one, so that nothing
// is lost when rows come and go. Longer than other files: drawing, pointer and keyboard of one grid.

import {
  elementScroll,
  observeElementOffset,
  observeElementRect,
  Virtualizer,
  type VirtualizerOptions,
} from '@tanstack/virtual-core';
import { html, LitElement, nothing, type PropertyValues } from 'lit';
import { customElement, property, query, state } from 'lit/decorators.js';
import { serverNow } from '../base/clock';
import { styles } from '../base/css-vars';
import { followMedia } from '../base/follow';
import { formatTime, formatTimeFull } from '../base/format';
import { icon } from '../base/icons';
import { pathOf } from '../base/router';
import { sharedStyles, stateStyles } from '../base/styles';
import { isFinal, reasonWords, statePill, visible } from '../base/words';
import type { ServiceJson } from '../gen/stint/catalog/v1/catalog_service_pb';
import { type CellContext, type Column, type ColumnId, columnSpecs, fitWidth, sampleRows } from './columns';
import type { JobList, Row } from './job-list';
import { tableStyles } from './table-styles';
import { type SortField, startsDescending } from './view-state';

/** What the user did to the table. */
export interface TableEvents {
  sort: { sort: SortField; desc: boolean };
  columns: Column[];
  select: string[];
  view: string;
  scrolled: number;
}

const [rowHeight, cardHeight] = [36, 64];

@customElement('stint-job-table')
export class JobTable extends LitElement {
  static override styles = [sharedStyles, stateStyles, tableStyles];

  @property({ attribute: false }) list: JobList | undefined;
  /** Changes whenever the list did. */
  @property({ attribute: false }) version = 0;
  @property({ attribute: false }) columns: Column[] = [];
  @property({ attribute: false }) services: ReadonlyMap<string, ServiceJson> = new Map();
  @property({ attribute: false }) selected: ReadonlySet<string> = new Set();
  @property({ attribute: false }) sort: SortField = 'submit_time';
  @property({ type: Boolean }) desc = true;
  @property({ type: Boolean }) relative = false;

  @state() private active = '';
  @state() private resizing: ColumnId | undefined;
  @state() private dropBefore: ColumnId | undefined;
  @query('.scroll') private scroller!: HTMLElement;

  private readonly narrow = followMedia(this, '(max-width: 720px)');
  private wasNarrow = this.narrow.matches;
  private virtual: Virtualizer<HTMLElement, HTMLElement> | undefined;
  private unmount: (() => void) | undefined;
  private anchor: { id: string; offset: number } | undefined;
  private rangeFrom = '';
  private measured: ReadonlyMap<ColumnId, number> = new Map();
  private measuredFor = '';
  private drawn = false;
  private clock: ReturnType<typeof setInterval> | undefined;
  private scrollTimer: ReturnType<typeof setTimeout> | undefined;

  private fire<K extends keyof TableEvents>(type: K, detail: TableEvents[K]): void {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  override connectedCallback(): void {
    super.connectedCallback();
    // Elapsed and relative times go on. One line of text a row and a second is little.
    this.clock = setInterval(() => document.hidden || this.requestUpdate(), 1000);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearInterval(this.clock);
    clearTimeout(this.scrollTimer);
    this.unmount?.();
    this.unmount = undefined;
    this.virtual = undefined;
  }

  private get height(): number {
    return this.narrow.matches ? cardHeight : rowHeight;
  }

  // ----- what is in sight

  private options(): VirtualizerOptions<HTMLElement, HTMLElement> {
    return {
      count: this.list?.rows.length ?? 0,
      getScrollElement: () => this.scroller,
      estimateSize: () => this.height,
      getItemKey: (i) => this.list?.rows[i]?.id ?? i,
      overscan: 15,
      observeElementRect,
      observeElementOffset,
      scrollToFn: elementScroll,
      onChange: () => this.requestUpdate(),
      // The height of the header, which stays in sight.
      scrollPaddingStart: this.height,
    };
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (!this.virtual) return;
    this.virtual.setOptions(this.options());
    if (this.narrow.matches !== this.wasNarrow) this.virtual.measure();
    this.wasNarrow = this.narrow.matches;
    if (changed.has('list')) this.anchor = undefined;
    else if (changed.has('version')) this.keepPlace();
    this.virtual._willUpdate();
    const items = this.virtual.getVirtualItems();
    this.list?.want(items[items.length - 1]?.index ?? 0);
  }

  protected override firstUpdated(): void {
    this.virtual = new Virtualizer(this.options());
    this.unmount = this.virtual._didMount();
    this.virtual._willUpdate();
    this.requestUpdate();
  }

  protected override updated(): void {
    this.measureSamples();
    if (!this.drawn && (this.list?.rows.length ?? 0) > 0 && (this.virtual?.getVirtualItems().length ?? 0) > 0) {
      this.drawn = true;
      performance.mark('stint-first-rows');
    }
    const first = this.virtual && this.firstVisible();
    const row = first === undefined ? undefined : this.list?.rows[first];
    this.anchor =
      row && first !== undefined ? { id: row.id, offset: this.scroller.scrollTop - first * this.height } : undefined;
  }

  /** Index of the first row in sight. */
  firstVisible(): number {
    return Math.floor((this.scroller?.scrollTop ?? 0) / this.height);
  }

  /** Shows a row at the upper edge. */
  scrollToRow(index: number): void {
    this.scroller.scrollTop = index * this.height;
  }

  // keepPlace moves the rows below new ones so that they stay where the user sees them. At the
  // very top new ones are shown, unless somebody is at work there.
  private keepPlace(): void {
    if (!this.anchor || !this.list) return;
    const top = this.scroller.scrollTop;
    if (top === 0 && this.selected.size === 0 && !this.matches(':focus-within')) return;
    const index = this.list.indexOf(this.anchor.id);
    if (index < 0) return;
    const wanted = index * this.height + this.anchor.offset;
    if (wanted === top) return;
    // The space has to be there before the place can be taken.
    const space = this.renderRoot.querySelector<HTMLElement>('.space');
    space?.style.setProperty('height', `${this.list.rows.length * this.height}px`);
    this.scroller.scrollTop = wanted;
  }

  private onScroll(): void {
    clearTimeout(this.scrollTimer);
    this.scrollTimer = setTimeout(() => this.fire('scrolled', this.firstVisible()), 250);
  }

  // ----- choosing rows

  private choose(row: Row, event: MouseEvent | KeyboardEvent, toggle: boolean): void {
    this.active = row.id;
    const from = this.list?.indexOf(this.rangeFrom) ?? -1;
    const to = this.list?.indexOf(row.id) ?? -1;
    if (event.shiftKey && from >= 0 && to >= 0) {
      const range = this.list?.rows.slice(Math.min(from, to), Math.max(from, to) + 1) ?? [];
      this.fire(
        'select',
        range.map((r) => r.id),
      );
      return;
    }
    this.rangeFrom = row.id;
    if (!toggle) this.fire('select', [row.id]);
    else {
      const next = new Set(this.selected);
      if (!next.delete(row.id)) next.add(row.id);
      this.fire('select', [...next]);
    }
  }

  private onRowClick(row: Row, event: MouseEvent): void {
    if (event.composedPath().some((n) => n instanceof HTMLAnchorElement)) return;
    const box = event.composedPath().some((n) => n instanceof HTMLElement && n.classList.contains('pick'));
    // A finger has no double click, and the name is a small target: a card opens its job, its box selects it.
    if (this.narrow.matches && !box) {
      this.fire('view', row.id);
      return;
    }
    this.choose(row, event, box || event.ctrlKey || event.metaKey);
  }

  private onKey(event: KeyboardEvent): void {
    const rows = this.list?.rows ?? [];
    if (event.target !== this.scroller || rows.length === 0) return;
    const page = Math.max(1, Math.floor(this.scroller.clientHeight / this.height) - 2);
    const at = this.list?.indexOf(this.active) ?? -1;
    const step = { ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page }[event.key];
    const edge = { Home: 0, End: rows.length - 1 }[event.key];
    const row = rows[at];
    if (step !== undefined || edge !== undefined) {
      const start = at < 0 ? this.firstVisible() - Math.sign(step ?? 0) : at;
      this.moveTo(Math.min(rows.length - 1, Math.max(0, edge ?? start + (step ?? 0))), event);
    } else if (event.key === ' ' && row) this.choose(row, event, true);
    else if (event.key === 'Enter' && row) this.fire('view', row.id);
    else if (event.key === 'Escape' && this.selected.size > 0) this.fire('select', []);
    else if (event.key === 'a' && (event.ctrlKey || event.metaKey)) this.pickAll(true);
    else return;
    event.preventDefault();
  }

  private moveTo(index: number, event: KeyboardEvent): void {
    const row = this.list?.rows[index];
    if (!row) return;
    if (event.shiftKey && this.rangeFrom === '') this.rangeFrom = this.active || row.id;
    this.active = row.id;
    if (event.shiftKey) this.choose(row, event, false);
    this.virtual?.scrollToIndex(index, { align: 'auto' });
  }

  // ----- columns

  private sortBy(id: ColumnId): void {
    const sort = columnSpecs[id].sort;
    if (sort) this.fire('sort', { sort, desc: sort === this.sort ? !this.desc : startsDescending(sort) });
  }

  private resize(id: ColumnId, width?: number): void {
    this.fire(
      'columns',
      this.columns.map((c) => (c.id !== id ? c : width === undefined ? { id } : { id, width: fitWidth(width) })),
    );
  }

  private startResize(column: Column, event: PointerEvent): void {
    event.preventDefault();
    const handle = event.currentTarget as HTMLElement;
    handle.setPointerCapture(event.pointerId);
    this.resizing = column.id;
    const done = new AbortController();
    const before = handle.parentElement?.getBoundingClientRect().width ?? columnSpecs[column.id].width;
    const sign = getComputedStyle(this).direction === 'rtl' ? -1 : 1;
    let width = fitWidth(before);
    const move = (e: PointerEvent) => {
      width = fitWidth(before + sign * (e.clientX - event.clientX));
      this.scroller.style.setProperty('--columns', this.template(column.id, width));
    };
    const end = () => {
      done.abort();
      this.resizing = undefined;
      this.resize(column.id, width);
    };
    handle.addEventListener('pointermove', move, { signal: done.signal });
    handle.addEventListener('pointerup', end, { signal: done.signal });
    handle.addEventListener('pointercancel', end, { signal: done.signal });
  }

  private drop(before: ColumnId, event: DragEvent): void {
    event.preventDefault();
    this.dropBefore = undefined;
    const moved = this.columns.find((c) => c.id === event.dataTransfer?.getData('text/x-stint-column'));
    if (!moved || moved.id === before) return;
    const rest = this.columns.filter((c) => c !== moved);
    rest.splice(
      rest.findIndex((c) => c.id === before),
      0,
      moved,
    );
    this.fire('columns', rest);
  }

  private template(changing?: ColumnId, width?: number): string {
    let grows = false;
    const tracks = this.columns.map((c) => {
      const { grow } = columnSpecs[c.id];
      const wide = c.id === changing ? width : c.width;
      if (wide !== undefined || !grow) return `${wide ?? this.usual(c.id)}px`;
      grows = true;
      return `minmax(${this.usual(c.id)}px, ${grow}fr)`;
    });
    return `36px ${tracks.join(' ')}${grows ? '' : ' minmax(0, 1fr)'}`;
  }

  // usual is the width of a column that nobody chose one for: what its cells need, or the least where it grows.
  private usual(id: ColumnId): number {
    const { grow, width } = columnSpecs[id];
    return grow ? Math.max(width, this.measured.get(id) ?? 0) : (this.measured.get(id) ?? width);
  }

  private get least(): number {
    return this.columns.reduce((sum, c) => sum + (c.width ?? this.usual(c.id)), 36);
  }

  // ----- measuring

  // What the widths of the columns depend on. The reader's language is that of the page.
  private get measureKey(): string {
    const digits = Math.max(3, ...(this.list?.rows.slice(0, 1) ?? []).map((r) => r.id.length));
    return `${digits} ${this.relative} ${this.columns.map((c) => c.id)}`;
  }

  private renderSamples() {
    const key = this.measureKey;
    if (key === this.measuredFor || this.narrow.matches) return nothing;
    const now = serverNow();
    const rows = sampleRows(now, Number.parseInt(key, 10));
    const context = { services: this.services, relative: this.relative, now };
    return html`<div class="samples" aria-hidden="true">${this.columns.map(
      ({
        id,
      }) => html`<div class="sample" data-sample=${id}><div class="cell"><span class="sort"><span>${columnSpecs[id].label}</span>${icon('down')}</span></div>
        ${(columnSpecs[id].grow ? [] : rows).map((row) => html`<div class="cell ${id}">${columnSpecs[id].cell(row, context)}</div>`)}</div>`,
    )}</div>`;
  }

  private measureSamples(): void {
    const samples = this.renderRoot.querySelectorAll<HTMLElement>('[data-sample]');
    if (samples.length === 0) return;
    const widths = [...samples].map(
      (e) => [e.dataset.sample as ColumnId, Math.ceil(e.getBoundingClientRect().width)] as const,
    );
    if (widths.some(([, width]) => width === 0)) return; // not shown yet
    this.measured = new Map(widths);
    this.measuredFor = this.measureKey;
    this.requestUpdate();
  }

  // ----- drawing

  private renderHeader() {
    return html`<div class="header" role="row" aria-rowindex="1">
      <div class="cell pick" role="columnheader">${this.renderPickAll()}</div>
      ${this.columns.map((c) => this.renderColumnHeader(c))}
    </div>`;
  }

  // pickAll selects all rows that are loaded. The page says how many more match, and offers them.
  private pickAll(on: boolean): void {
    this.fire('select', on ? (this.list?.rows ?? []).map((r) => r.id) : []);
  }

  private renderPickAll() {
    const loaded = this.list?.rows.length ?? 0;
    const all = loaded > 0 && this.selected.size >= loaded;
    return html`<input type="checkbox" tabindex="-1" aria-label="Select all jobs" title=${all ? 'Select none' : 'Select all'} .checked=${all}
      .indeterminate=${this.selected.size > 0 && !all} ?disabled=${loaded === 0} @change=${() => this.pickAll(!all)}>`;
  }

  private renderColumnHeader(column: Column) {
    const spec = columnSpecs[column.id];
    const sorted = spec.sort === this.sort;
    const direction = sorted ? (this.desc ? 'descending' : 'ascending') : 'none';
    return html`<div class="cell ${this.dropBefore === column.id ? 'drop' : ''}" role="columnheader" data-column=${column.id}
        aria-sort=${spec.sort ? direction : nothing} draggable=${this.resizing ? 'false' : 'true'}
        @dragstart=${(e: DragEvent) => e.dataTransfer?.setData('text/x-stint-column', column.id)}
        @dragover=${(e: DragEvent) => {
          if (!e.dataTransfer?.types.includes('text/x-stint-column')) return;
          e.preventDefault();
          this.dropBefore = column.id;
        }}
        @dragleave=${() => {
          this.dropBefore = undefined;
        }}
        @drop=${(e: DragEvent) => this.drop(column.id, e)}>
      ${
        spec.sort
          ? html`<button class="sort" title="Sort by ${spec.label}" @click=${() => this.sortBy(column.id)}>
              <span>${spec.label}</span>${sorted ? icon(this.desc ? 'down' : 'up') : nothing}</button>`
          : html`<span class="sort">${spec.label}</span>`
      }
      <span class="resize" aria-hidden="true" title="Drag to resize; double click for the usual width"
        @pointerdown=${(e: PointerEvent) => this.startResize(column, e)}
        @dblclick=${() => this.resize(column.id)}></span>
    </div>`;
  }

  private renderRow(row: Row, index: number, context: CellContext) {
    const selected = this.selected.has(row.id);
    const classes = `row${selected ? ' selected' : ''}${row.id === this.active ? ' active' : ''}${row.left ? ' left' : ''}`;
    return html`<div class=${classes} role="row" id="row-${row.id}" data-id=${row.id} aria-rowindex=${index + 2}
        aria-selected=${selected ? 'true' : 'false'} title=${row.left ? 'It does not fit the filter any more' : nothing}
        ${styles({ transform: `translateY(${index * this.height}px)` })}
        @click=${(e: MouseEvent) => this.onRowClick(row, e)} @dblclick=${() => this.fire('view', row.id)}>
      <div class="cell pick" role="gridcell"><span class="box" aria-hidden="true">${selected ? icon('completed') : nothing}</span></div>
      ${this.narrow.matches ? this.renderCard(row, context) : this.columns.map((c) => html`<div class="cell ${c.id}" role="gridcell">${columnSpecs[c.id].cell(row, context)}</div>`)}
    </div>`;
  }

  // renderCard is the row on a narrow screen: what matters most, in two lines.
  private renderCard(row: Row, context: CellContext) {
    const time = isFinal(row.state) ? row.completeTime : (row.startTime ?? row.submitTime);
    const why = reasonWords(row.reason, row.exitCode);
    return html`<div class="cell card" role="gridcell">
      <span class="line"><a tabindex="-1" data-long title=${visible(row.outputName)} href=${pathOf('jobs', row.id)}>${visible(row.outputName) || row.id}</a>${statePill(row.state)}</span>
      <span class="line quiet-text"><span data-long title=${row.message ?? ''}>${context.services.get(row.service ?? '')?.label || row.service} · ${row.id}
        ${why ? `· ${why}` : ''}</span>
        <time title=${formatTimeFull(time)}>${formatTime(time, context.now)}</time></span>
    </div>`;
  }

  override render() {
    const rows = this.list?.rows ?? [];
    const context = { services: this.services, relative: this.relative, now: serverNow() };
    const items = this.virtual?.getVirtualItems() ?? [];
    const activeShown = items.some((item) => rows[item.index]?.id === this.active);
    const total = this.list?.complete ? rows.length : this.list?.totalExact ? this.list.total : -1;
    return html`<div class="scroll" role="grid" tabindex="0" aria-label="Jobs" aria-multiselectable="true"
        aria-rowcount=${total < 0 ? -1 : total + 1} aria-colcount=${this.columns.length + 1}
        aria-activedescendant=${activeShown ? `row-${this.active}` : nothing}
        ${styles({ '--columns': this.template(), '--least': `${this.least}px` })} @keydown=${this.onKey} @scroll=${this.onScroll}>
      ${this.narrow.matches ? nothing : this.renderHeader()}${this.renderSamples()}
      <div class="space" role="rowgroup" ${styles({ height: `${rows.length * this.height}px` })}>
        ${items.map((item) => {
          const row = rows[item.index];
          return row ? this.renderRow(row, item.index, context) : nothing;
        })}
      </div>
    </div>`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'stint-job-table': JobTable;
  }
}
