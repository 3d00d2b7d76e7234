// The conditions of the Job Status page: chips with counts, service, time, search, and all of it as text.
import { css, html, LitElement, nothing } from 'lit';
import { customElement, property, state } from 'lit/decorators.js';
import { followMedia } from '../base/follow';
import { formatCount } from '../base/format';
import { icon } from '../base/icons';
import { sharedStyles } from '../base/styles';
import { type StateName, stateLabel, states } from '../base/words';
import type { ServiceJson } from '../gen/stint/catalog/v1/catalog_service_pb';
import type { Facets } from './facets';
import { filterText, isFiltered, type ViewState, withoutFilter } from './view-state';

const searchDelay = 250;

/** Spans of time that have a name, in days back from today. */
const spans = [
  { name: 'Any time', days: undefined },
  { name: 'Today', days: 0 },
  { name: 'Since yesterday', days: 1 },
  { name: 'Last 7 days', days: 6 },
  { name: 'Last 30 days', days: 29 },
];

function dayBefore(days: number): string {
  const date = new Date();
  date.setDate(date.getDate() - days);
  const two = (n: number) => String(n).padStart(2, '0');
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

@customElement('stint-filter-bar')
export class FilterBar extends LitElement {
  static override styles = [
    sharedStyles,
    css`
      :host { display: grid; grid-template-columns: minmax(0, 1fr); gap: 8px; }
      .line { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; }
      .chips { display: flex; flex-wrap: wrap; gap: 6px; }
      .chip {
        display: inline-flex;
        align-items: center;
        gap: 6px;
        min-height: 34px;
        padding: 0 12px 0 10px;
        font: inherit;
        font-weight: 550;
        border: 1px solid var(--stint-border);
        border-radius: 999px;
        background: var(--stint-surface);
        color: var(--stint-text);
        cursor: pointer;
      }
      .chip .icon { width: 15px; height: 15px; stroke-width: 2.4; }
      .chip b { font-variant-numeric: tabular-nums; font-weight: 700; }
      .chip:hover { border-color: var(--stint-border-strong); }
      .chip.queued .icon { color: var(--stint-queued); }
      .chip.running .icon { color: var(--stint-running); }
      .chip.completed .icon { color: var(--stint-completed); }
      .chip.failed .icon { color: var(--stint-failed); }
      .chip.cancelled .icon { color: var(--stint-cancelled); }
      .chip[aria-pressed="true"] { background: var(--stint-accent-2); border-color: var(--stint-accent); box-shadow: inset 0 0 0 1px var(--stint-accent); }
      .search { position: relative; flex: 1 1 210px; max-width: 340px; display: flex; }
      .search .input { width: 100%; padding-inline-start: 34px; }
      .search .icon { position: absolute; inset-inline-start: 10px; top: 9px; width: 16px; height: 16px; color: var(--stint-text-2); pointer-events: none; }
      .select { max-width: 250px; }
      .dates { display: inline-flex; align-items: center; gap: 6px; }
      .text { display: flex; gap: 8px; flex: 1; min-width: 0; }
      .text .input { flex: 1; font-family: var(--stint-mono); font-size: 0.93em; }
      .error { color: var(--stint-failed); font-weight: 550; overflow-wrap: anywhere; }
      .line.first { flex-wrap: nowrap; }
      .line.first .chips { min-width: 0; }
      @media (max-height: 520px) {
        .chips { flex-wrap: nowrap; overflow-x: auto; padding: 2px; margin: -2px; }
        .chip { flex: none; min-height: 30px; }
        .fold { flex: none; }
      }
      @media (max-width: 720px) {
        .chips { flex-wrap: nowrap; overflow-x: auto; padding: 2px; margin: -2px; }
        .chip { flex: none; }
        .search { max-width: none; flex-basis: 100%; }
        .select { flex: 1 1 40%; min-width: 0; }
      }
    `,
  ];

  @property({ attribute: false }) view: ViewState | undefined;
  @property({ attribute: false }) facets: Facets | undefined;
  @property({ attribute: false }) services: ReadonlyMap<string, ServiceJson> = new Map();
  /** What the server says against the filter. */
  @property() problem = '';
  @property({ type: Boolean }) operator = false;
  /** Where there is little height the conditions but the states are shown on wish. */
  private readonly low = followMedia(this, '(max-height: 520px)');
  @state() private unfolded = false;
  @state() private asText = false;
  @state() private between = false;
  private searchTimer: ReturnType<typeof setTimeout> | undefined;

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearTimeout(this.searchTimer);
  }

  private change(part: Partial<ViewState>): void {
    this.dispatchEvent(new CustomEvent('change', { detail: part }));
  }

  // A click shows one state; with Ctrl or Shift, or the chip's neighbour already on, several.
  private toggle(name: StateName, event: MouseEvent): void {
    const on = this.view?.states ?? [];
    const several = event.ctrlKey || event.metaKey || event.shiftKey;
    if (several) this.change({ states: states.filter((s) => (s === name) !== on.includes(s)) });
    else this.change({ states: on.length === 1 && on[0] === name ? [] : [name] });
  }

  private onSearch(value: string, now: boolean): void {
    clearTimeout(this.searchTimer);
    const set = () => {
      if (value !== this.view?.search) this.change({ search: value });
    };
    if (now) set();
    else this.searchTimer = setTimeout(set, searchDelay);
  }

  private onSpan(value: string): void {
    this.between = value === 'between';
    if (this.between) return;
    const days = spans[Number(value)]?.days;
    this.change({ from: days === undefined ? '' : dayBefore(days), to: '' });
  }

  // What the user writes takes the place of everything else that narrows the list.
  private applyText(event: SubmitEvent): void {
    event.preventDefault();
    const input = this.renderRoot.querySelector<HTMLInputElement>('#filter-text');
    const text = input?.value.trim() ?? '';
    if (this.view && text !== filterText(this.view)) this.change({ ...pick(withoutFilter(this.view)), filter: text });
    else this.dispatchEvent(new Event('retry'));
  }

  private renderChips(view: ViewState) {
    return html`<div class="chips" role="group" aria-label="States">
      <button class="chip" aria-pressed=${view.states.length === 0 ? 'true' : 'false'} @click=${() => this.change({ states: [] })}>
        <span>All</span> <b>${this.facets ? formatCount(Object.values(this.facets.states).reduce((a, b) => a + b, 0)) + (this.facets.exact ? '' : '+') : ''}</b></button>
      ${states.map((s) => {
        const count = this.facets?.states[s];
        const more = this.facets?.exact === false ? '+' : '';
        return html`<button class="chip ${s}" data-state=${s} aria-pressed=${view.states.includes(s) ? 'true' : 'false'}
          title="Show ${stateLabel[s].toLowerCase()} jobs; with Ctrl, several states" @click=${(e: MouseEvent) => this.toggle(s, e)}>
          ${icon(s)}<span>${stateLabel[s]}</span> <b>${count === undefined ? '' : formatCount(count) + more}</b></button>`;
      })}
    </div>`;
  }

  private renderServices(view: ViewState) {
    const ids = new Set([...(this.facets?.services.keys() ?? []), ...this.services.keys()]);
    if (view.service) ids.add(view.service);
    const label = (id: string) => this.services.get(id)?.label || id;
    const sorted = [...ids].sort((a, b) => label(a).localeCompare(label(b)));
    return html`<select class="select" aria-label="Service" @change=${(e: Event) => this.change({ service: (e.target as HTMLSelectElement).value })}>
      <option value="" ?selected=${!view.service}>All services</option>
      ${sorted.map((id) => html`<option value=${id} ?selected=${id === view.service}>${label(id)} (${formatCount(this.facets?.services.get(id) ?? 0)})</option>`)}
    </select>`;
  }

  private renderTime(view: ViewState) {
    const named = spans.findIndex((s) => (s.days === undefined ? '' : dayBefore(s.days)) === view.from && !view.to);
    const between = this.between || named < 0;
    return html`<select class="select" aria-label="Time of submission" @change=${(e: Event) => this.onSpan((e.target as HTMLSelectElement).value)}>
        ${spans.map((s, i) => html`<option value=${i} ?selected=${!between && i === named}>${s.name}</option>`)}
        <option value="between" ?selected=${between}>Between …</option>
      </select>
      ${
        between
          ? html`<span class="dates">
            <input class="input" type="date" aria-label="First day" .value=${view.from} max=${view.to || nothing}
              @change=${(e: Event) => this.change({ from: (e.target as HTMLInputElement).value })}>
            <span aria-hidden="true">–</span>
            <input class="input" type="date" aria-label="Last day" .value=${view.to} min=${view.from || nothing}
              @change=${(e: Event) => this.change({ to: (e.target as HTMLInputElement).value })}></span>`
          : nothing
      }`;
  }

  override render() {
    const view = this.view;
    if (!view) return nothing;
    const open = this.asText || view.filter !== '';
    const others = filterText({ ...view, states: [] }) !== '';
    const folded = this.low.matches && !this.unfolded && !open;
    return html`<div class="line first">${this.renderChips(view)}
        ${
          this.low.matches
            ? html`<button class="button quiet fold" aria-expanded=${folded ? 'false' : 'true'} @click=${() => {
                this.unfolded = folded;
              }}>${icon('filter')}${others ? 'Filters are set' : 'Filters'}</button>`
            : nothing
        }</div>
      <div class="line" ?hidden=${folded}>
        <label class="search">${icon('search')}<span class="visually-hidden">Search jobs</span>
          <input class="input" type="search" placeholder="Search name, ID, service, label" .value=${view.search} maxlength="200"
            @input=${(e: Event) => this.onSearch((e.target as HTMLInputElement).value, false)}
            @keydown=${(e: KeyboardEvent) => e.key === 'Enter' && this.onSearch((e.target as HTMLInputElement).value, true)}></label>
        ${this.renderServices(view)} ${this.renderTime(view)}
        ${
          this.operator
            ? html`<label class="dates"><input type="checkbox" .checked=${view.everybody}
              @change=${(e: Event) => this.change({ everybody: (e.target as HTMLInputElement).checked })}> Everybody's</label>`
            : nothing
        }
        <button class="button quiet" aria-expanded=${open ? 'true' : 'false'} title="Show the filter as text"
          @click=${() => {
            this.asText = !open;
            if (open && view.filter) this.change({ filter: '' });
          }}>${icon('filter')}Filter as text</button>
        ${isFiltered(view) ? html`<button class="button quiet clear" @click=${() => this.change(pick(withoutFilter(view)))}>${icon('close')}Clear</button>` : nothing}
      </div>
      ${
        open
          ? html`<form class="line" @submit=${this.applyText}><span class="text">
            <input id="filter-text" class="input" aria-label="Filter as text" aria-invalid=${this.problem ? 'true' : 'false'} aria-describedby="problem"
              spellcheck="false" autocomplete="off" maxlength="1024" placeholder=${'state = RUNNING AND output_name = "*phage*" AND labels.project = "x"'}
              .value=${filterText(view)}><button class="button">Apply</button></span></form>`
          : nothing
      }
      <div id="problem" class="error" role="alert" ?hidden=${!this.problem}>${this.problem}</div>`;
  }
}

function pick({ states: s, service, from, to, search, filter }: ViewState): Partial<ViewState> {
  return { states: s, service, from, to, search, filter };
}

declare global {
  interface HTMLElementTagNameMap {
    'stint-filter-bar': FilterBar;
  }
}
