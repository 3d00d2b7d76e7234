// Shows a log, however large: only the lines in sight are elements, only a window of
// the log is in memory. Every line is text and never anything else.
import { css, html, LitElement, nothing, type TemplateResult } from 'lit';
import { customElement, property, query, state } from 'lit/decorators.js';
import { ApiError } from '../base/api';
import { styles } from '../base/css-vars';
import { formatBytes } from '../base/format';
import { sharedStyles } from '../base/styles';
import { type Piece, startOf } from './ansi';
import { ansiStyles } from './ansi-styles';
import type { Pattern } from './errors';
import { type LogRow, longestShown, rowsOf } from './log-rows';
import { findForward } from './log-search';
import type { LogBytes, LogSource } from './log-source';
import { LogWindow } from './log-window';

const lineHeight = 18;
const overscan = 20;
const pieceBytes = 384 << 10;
const windowBytes = 3 << 20;
// Lines before the window are counted up to here, for the numbers of those in it.
const mostCounted = 16 << 20;
const retryMillis = 1000;
// Frames have at most 64 KiB.
const mostPending = 64;

@customElement('stint-log-view')
export class LogView extends LitElement {
  static override styles = [
    sharedStyles,
    ansiStyles,
    css`
      :host { display: flex; flex-direction: column; min-height: 0; position: relative; }
      /* What programs write goes from left to right. */
      .view { direction: ltr; flex: 1; min-height: 0; overflow: auto; overflow-anchor: none; background: var(--log-bg); color: var(--log-fg); border-radius: var(--stint-radius); font: 12.5px/18px var(--stint-mono); tab-size: 8; contain: strict; }
      .view:focus-visible { outline-offset: -2px; }
      .spacer { position: relative; min-width: max-content; }
      .lines { position: absolute; top: 0; left: 0; min-width: 100%; padding-inline-end: 12px; }
      .line { height: 18px; white-space: pre; }
      .number { display: inline-block; width: calc(var(--digits) * 1ch + 14px); margin-inline-end: 8px; padding-inline-end: 6px; text-align: end; color: var(--log-dim); background: var(--log-bg); border-inline-end: 1px solid var(--stint-border); position: sticky; inset-inline-start: 0; text-decoration: none; user-select: none; height: 18px; vertical-align: top; }
      .number::before { content: attr(data-number); }
      .number:hover { text-decoration: underline; color: var(--log-fg); }
      .probe { position: absolute; visibility: hidden; width: 100ch; height: 0; }
      .line.hit { background: color-mix(in oklab, var(--stint-focus) 30%, transparent); }
      mark { background: #ffd54a; color: #1b2430; border-radius: 2px; }
      .dropped { color: var(--log-dim); font-style: italic; }
      .note { position: absolute; left: 12px; right: 12px; top: 10px; padding: 8px 12px; color: var(--log-dim); pointer-events: none; }
      .where { display: grid; grid-template-columns: 1fr auto; gap: 10px; align-items: center; padding: 6px 2px 0; color: var(--stint-text-2); font-size: 0.93em; }
      .where input { width: 100%; accent-color: var(--stint-accent); margin: 0; }
    `,
  ];

  @property({ attribute: false }) source: LogSource | undefined;
  /** Whether the command may write more. */
  @property({ type: Boolean }) open = false;
  /** What to mark. */
  @property({ attribute: false }) pattern: RegExp | undefined;
  /** What it shows, for screen readers. */
  @property() label = 'Log';
  /** Whether long lines are broken to fit. */
  @property({ type: Boolean }) wrap = false;
  /** The address of a line by where it begins. */
  @property({ attribute: false }) lineHref: (offset: number) => string = () => '';
  @state() following = false;
  @state() private size = 0;
  @state() private note = '';
  @state() private busy = '';
  @state() private hit = -1;
  @state() private top = 0;
  @query('.view') private view!: HTMLElement;

  private window = new LogWindow(windowBytes);
  private life = new AbortController();
  private loading = false;
  private pending: LogBytes[] = [];
  private rowsKey = '';
  private cachedRows: LogRow[] = [];
  private readonly sizes = new ResizeObserver(() => this.requestUpdate());

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.life.abort();
    this.sizes.disconnect();
  }

  override connectedCallback(): void {
    super.connectedCallback();
    if (!this.hasUpdated) return;
    this.sizes.observe(this.view);
    void this.begin();
  }

  override firstUpdated(): void {
    this.sizes.observe(this.view);
  }

  // columns is how many letters fit beside the numbers, where lines are to be broken.
  private get columns(): number {
    if (!this.wrap || !this.view) return 0;
    const probe = this.renderRoot.querySelector<HTMLElement>('.probe');
    const letter = (probe?.getBoundingClientRect().width ?? 0) / 100 || 7.5;
    return Math.max(20, Math.floor((this.view.clientWidth - 40) / letter) - this.digits);
  }

  /** Letters that the highest number takes. */
  private get digits(): number {
    const { firstNumber, lines } = this.window;
    return Math.max(2, String((firstNumber ?? 1) + lines.length).length);
  }

  private get rows(): LogRow[] {
    const { columns } = this;
    const key = `${this.window.version} ${columns}`;
    if (key !== this.rowsKey) this.cachedRows = rowsOf(this.window, columns);
    this.rowsKey = key;
    return this.cachedRows;
  }

  // keepRow keeps the row at the upper edge where it is while the rows before it change.
  private async keepRow(change: () => void): Promise<void> {
    const at = Math.floor(this.view.scrollTop / lineHeight);
    const row = this.rows[at];
    change();
    const now = row ? this.rows.findIndex((r) => r.line.offset === row.line.offset && r.from >= row.from) : -1;
    const was = this.view.scrollTop;
    await this.shown();
    if (now >= 0 && now !== at) this.view.scrollTop = was + (now - at) * lineHeight;
    this.look();
  }

  // number counts the lines before the window, so that those in it have numbers.
  private async number(source: LogSource, signal: AbortSignal): Promise<void> {
    const { start } = this.window;
    const first = this.window.lines[0]?.offset;
    if (this.window.firstNumber !== undefined || first === undefined || start > mostCounted) return;
    let lines = 1;
    let next = 0;
    try {
      await source.stream({ offset: 0, limitBytes: start }, signal, ({ offset, data }) => {
        if (data.length === 0) return;
        if (offset !== next)
          next = Number.POSITIVE_INFINITY; // the middle was dropped
        else next = offset + data.length;
        for (const byte of data) if (byte === 10) lines++;
      });
    } catch {
      return; // the lines stay without numbers
    }
    if (signal.aborted || next !== start) return;
    this.window.setNumber(first, lines);
    this.requestUpdate();
  }

  override updated(changed: Map<string, unknown>): void {
    // A short log that is complete takes no more room than it needs.
    const lines = this.rows.length + 1;
    if (changed.has('wrap') && this.following) void this.toEnd();
    const short = !this.open && this.window.start === 0 && lines < 24 && this.window.end >= this.size;
    this.style.setProperty('height', short ? `${Math.max(5, lines) * lineHeight + 46}px` : '');
    if (changed.has('source')) void this.begin();
    else if (changed.has('open') && changed.get('open') === false && this.open) this.follow();
  }

  /** Goes to the end and stays there while the command writes. */
  follow(): void {
    void this.begin();
  }

  pause(): void {
    if (!this.following) return;
    this.restart();
    this.tell(false);
  }

  /** Goes to a place in the log. */
  async goTo(offset: number, hit = -1): Promise<void> {
    const { source } = this;
    if (!source) return;
    const { signal } = this.restart();
    this.tell(false);
    await this.guard(signal, async () => {
      const from = Math.max(0, offset - pieceBytes / 3);
      this.fill(await source.read(from, pieceBytes, signal), from);
      this.hit = hit;
      await this.shown();
      const index = this.rows.findIndex((row) => row.line.offset >= offset);
      this.view.scrollTop = Math.max(0, index - 4) * lineHeight;
      this.look();
    });
    if (!signal.aborted) void this.number(source, signal);
  }

  /** Goes to the next line that matches, from the last one found or from what is in sight. Answers whether there is one. */
  async find(pattern: Pattern, from = this.nextFrom()): Promise<boolean> {
    const { source } = this;
    if (!source) return false;
    const { signal } = this.restart();
    this.tell(false);
    let found = false;
    await this.guard(signal, async () => {
      const progress = (at: number, size: number) => {
        if (size > 8 << 20) this.busy = `Searching… ${formatBytes(at)} of ${formatBytes(size)}`;
      };
      const options = { signal, progress };
      let hit = await findForward(source, { from }, pattern, options);
      if (!hit && from > 0) hit = await findForward(source, { from: 0, to: from }, pattern, options);
      this.busy = '';
      if (!hit) return;
      found = true;
      await this.goTo(hit.offset, hit.offset);
    });
    return found;
  }

  private nextFrom(): number {
    const lines = this.window.lines;
    if (this.hit >= 0) {
      const next = lines.find((line) => line.offset > this.hit);
      return next?.offset ?? this.window.end;
    }
    return this.rows[Math.floor(this.view.scrollTop / lineHeight)]?.line.offset ?? 0;
  }

  private tell(following: boolean): void {
    if (this.following === following) return;
    this.following = following;
    this.dispatchEvent(new Event('follow-change'));
  }

  // restart ends what was being read.
  private restart(): AbortController {
    this.life.abort();
    this.life = new AbortController();
    this.loading = false;
    this.busy = '';
    this.pending = [];
    return this.life;
  }

  private async begin(): Promise<void> {
    const { source } = this;
    if (!source) return;
    const { signal } = this.restart();
    this.window.clear(0);
    this.size = 0;
    this.hit = -1;
    this.top = 0;
    this.tell(this.open);
    await this.guard(signal, async () => {
      const { size } = await source
        .tailOffset(1, this.open ? AbortSignal.any([signal, AbortSignal.timeout(1500)]) : signal)
        .catch((error) => {
          // A job that has not started has no output yet.
          if (signal.aborted || !this.open) throw error;
          return { size: 0 };
        });
      const from = Math.max(0, size - pieceBytes);
      if (size > 0) this.fill(await source.read(from, pieceBytes, signal), from);
      await this.toEnd();
      void this.number(source, signal);
      if (this.open) await this.followFrom(source, signal);
    });
  }

  private async followFrom(source: LogSource, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const take = (frame: LogBytes) => {
          if (this.pending.length === 0) requestAnimationFrame(() => this.flush(signal));
          this.pending.push(frame);
          // A page that nobody looks at draws no frames, but must not keep everything either.
          if (this.pending.length > mostPending) this.flush(signal);
        };
        await source.stream({ offset: this.window.end, follow: true }, signal, take, () => {
          this.note = '';
        });
        this.flush(signal);
        // A server that is on its way down ends streams too; only the end of the job is one.
        if (!this.open) return this.tell(false);
      } catch (error) {
        if (signal.aborted) return;
        this.flush(signal);
        if (error instanceof ApiError && !error.unreachable) throw error;
        if (this.window.end === 0) this.note = 'The server cannot be reached.';
      }
      await new Promise((resolve) => setTimeout(resolve, retryMillis));
    }
  }

  // A job may write faster than anybody reads: what would scroll past unseen is not even taken apart.
  private flush(signal: AbortSignal): void {
    if (signal.aborted) return;
    const frames = this.pending;
    this.pending = [];
    const last = frames.at(-1);
    if (!last) return;
    let keep = frames.length;
    for (let sum = 0; keep > 0 && sum < windowBytes / 2; keep--) sum += frames[keep - 1]?.data.length ?? 0;
    if (keep > 0) this.window.clear(frames[keep]?.offset ?? 0);
    for (const frame of frames.slice(keep)) this.window.append(frame.offset, frame.data);
    this.size = Math.max(this.size, last.size);
    this.requestUpdate();
    void this.toEnd();
  }

  private async toEnd(): Promise<void> {
    await this.shown();
    this.view.scrollTop = this.view.scrollHeight;
    this.look();
  }

  private async shown(): Promise<void> {
    this.requestUpdate();
    await this.updateComplete;
  }

  private fill(bytes: LogBytes, asked: number): void {
    const cut = asked > 0 && bytes.offset === asked ? bytes.data.indexOf(10) + 1 : 0;
    this.window.clear(bytes.offset + cut);
    this.window.append(bytes.offset + cut, bytes.data.subarray(cut));
    this.size = Math.max(this.size, bytes.size);
  }

  private async guard(signal: AbortSignal, work: () => Promise<void>): Promise<void> {
    try {
      await work();
      if (!signal.aborted) this.note = '';
    } catch (error) {
      if (signal.aborted) return;
      this.note = error instanceof Error ? error.message : String(error);
      this.busy = '';
      this.tell(false);
    }
  }

  private look(): void {
    this.top = Math.max(0, Math.floor(this.view.scrollTop / lineHeight) - overscan);
  }

  private onScroll(): void {
    this.look();
    const { scrollTop, clientHeight, scrollHeight } = this.view;
    const below = scrollHeight - scrollTop - clientHeight;
    if (this.following) {
      if (below > 4 * lineHeight) this.pause();
      return;
    }
    if (scrollTop < 30 * lineHeight && this.window.start > 0) void this.more('before');
    else if (below < 30 * lineHeight && this.window.end < this.size) void this.more('after');
  }

  private async more(where: 'before' | 'after'): Promise<void> {
    const { source } = this;
    if (!source || this.loading) return;
    this.loading = true;
    const { signal } = this.life;
    await this.guard(signal, async () => {
      if (where === 'before') {
        const from = Math.max(0, this.window.start - pieceBytes);
        const bytes = await source.read(from, this.window.start - from, signal);
        if (bytes.data.length === 0) return;
        await this.keepRow(() => this.window.prepend(bytes.offset, bytes.data));
      } else {
        const bytes = await source.read(this.window.end, pieceBytes, signal);
        this.size = Math.max(this.size, bytes.size);
        await this.keepRow(() => this.window.append(bytes.offset, bytes.data));
      }
    });
    if (!signal.aborted) this.loading = false;
  }

  private renderRow({ line, number, from, to }: LogRow): TemplateResult {
    const dropped =
      line.dropped && from === 0
        ? html`<span class="dropped">… ${formatBytes(line.dropped)} were dropped here: the output was over its size cap … </span>`
        : nothing;
    const { pieces: whole, more } = startOf(line.text, longestShown);
    const pieces = from === 0 && to === undefined ? whole : slice(whole, from, to);
    // The number is drawn by its style: it is neither copied nor searched with the text.
    const gutter =
      from > 0
        ? html`<span class="number"></span>`
        : html`<a class="number" tabindex="-1" data-number=${number ?? '·'} aria-label=${number === undefined ? 'Link to this line' : `Link to line ${number}`} href=${this.lineHref(line.offset)}></a>`;
    return html`<div class="line ${line.offset === this.hit ? 'hit' : ''}">${gutter}${dropped}${pieces.map((p) => this.renderPiece(p))}${
      more > 0 && to === undefined ? html`<span class="dropped"> … ${formatBytes(more)} more</span>` : nothing
    }</div>`;
  }

  private renderPiece(piece: Piece): unknown {
    const text = this.mark(piece.text);
    if (piece.colour) return html`<span class="own ${piece.style}" ${styles({ '--own': piece.colour })}>${text}</span>`;
    return piece.style ? html`<span class=${piece.style}>${text}</span>` : text;
  }

  private mark(text: string): unknown {
    if (!this.pattern) return text;
    const parts = [];
    let at = 0;
    for (const match of text.matchAll(new RegExp(this.pattern.source, 'gi'))) {
      if (match[0] === '' || parts.length > 200) break;
      parts.push(text.slice(at, match.index), html`<mark>${match[0]}</mark>`);
      at = match.index + match[0].length;
    }
    return [...parts, text.slice(at)];
  }

  private renderWhere() {
    const at = this.rows[this.top]?.line.offset ?? this.window.start;
    const whole = this.window.start === 0 && this.window.end >= this.size;
    return html`<div class="where">
      ${
        whole
          ? html`<span></span>`
          : html`<input type="range" aria-label="Place in the log" min="0" max="1000"
            .value=${String(Math.round((1000 * at) / Math.max(1, this.size)))}
            @change=${(e: Event) => this.goTo(Math.floor((Number((e.target as HTMLInputElement).value) / 1000) * this.size))}>`
      }
      <span>${this.busy || formatBytes(this.size)}</span>
    </div>`;
  }

  override render() {
    const { rows } = this;
    const count = rows.length;
    const most = Math.ceil((this.view?.clientHeight || 600) / lineHeight) + 2 * overscan;
    const shown = rows.slice(this.top, this.top + most);
    const note =
      this.note ||
      (count === 0 && this.source ? (this.following ? 'Nothing was written yet.' : 'Nothing was written.') : '');
    return html`
      <div class="view" tabindex="0" role="region" aria-label=${this.label} ${styles({ '--digits': String(this.digits) })} @scroll=${this.onScroll}>
        <span class="probe" aria-hidden="true"></span>
        <div class="spacer" ${styles({ height: `${count * lineHeight + 8}px` })}>
          <div class="lines" ${styles({ transform: `translateY(${this.top * lineHeight + 4}px)` })}>${shown.map((row) => this.renderRow(row))}</div>
        </div>
      </div>
      ${note ? html`<div class="note">${note}</div>` : nothing}
      ${this.renderWhere()}`;
  }
}

// slice is the part [from, to) of the letters of pieces.
function slice(pieces: readonly Piece[], from: number, to = Number.POSITIVE_INFINITY): Piece[] {
  const part: Piece[] = [];
  let at = 0;
  for (const piece of pieces) {
    const text = piece.text.slice(Math.max(0, from - at), Math.max(0, to - at));
    if (text !== '') part.push({ ...piece, text });
    at += piece.text.length;
  }
  return part;
}

declare global {
  interface HTMLElementTagNameMap {
    'stint-log-view': LogView;
  }
}
