// Shows a table of tabs or commas by pages: sorted by any column, filtered by a word, both over all rows.
import { css, html, LitElement, nothing, type PropertyValues } from 'lit';
import { customElement, property, state } from 'lit/decorators.js';
import { formatCount } from '../base/format';
import { icon } from '../base/icons';
import { sharedStyles } from '../base/styles';
import type { Answer, Question } from './table-engine';
import type { TableSource } from './table-source';
import { viewerStyles } from './viewer-styles';

const pageRows = 200;
const typingDelay = 200;
const longestCell = 1000;

// cut shortens a cell that nobody reads in a table, such as a genome, and says how long it is.
const cut = (cell: string) =>
  cell.length > longestCell ? `${cell.slice(0, longestCell)}… ${formatCount(cell.length)} letters` : cell;

@customElement('stint-table-view')
export class TableView extends LitElement {
  static override styles = [
    sharedStyles,
    viewerStyles,
    css`
      .pages { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; margin-top: 8px; }
      tbody tr[aria-current] { background: var(--stint-selected); outline: 2px solid var(--stint-focus); outline-offset: -2px; }
      tbody tr.choice { cursor: pointer; }
      .choose { font: inherit; color: var(--stint-accent); background: none; border: 0; padding: 0; cursor: pointer; }
      .working { opacity: 0.6; }
    `,
  ];

  @property({ attribute: false }) source: TableSource | undefined;
  @property() label = 'Table';
  /** A row that is marked and brought into sight; -1 is none. */
  @property({ type: Number }) marked = -1;
  /** Whether a row can be chosen: it is told by `choose` with its number. */
  @property({ type: Boolean }) choices = false;
  @state() private sorted = -1;
  @state() private down = false;
  @state() private filter = '';
  @state() private answer: Answer | undefined;
  @state() private working = false;
  @state() private problem = '';
  private timer: ReturnType<typeof setTimeout> | undefined;
  private asked = 0;

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearTimeout(this.timer);
  }

  override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has('source')) {
      this.sorted = -1;
      this.filter = '';
      this.answer = undefined;
      void this.ask({ from: 0 });
    } else if (changed.has('marked') && this.marked >= 0) void this.ask({ row: this.marked });
  }

  // Only what was asked last is shown.
  private async ask(which: Partial<Question>): Promise<void> {
    const { source } = this;
    const asked = ++this.asked;
    if (!source) return;
    const { sorted, down, filter } = this;
    this.working = true;
    try {
      let answer = await source.ask({ sorted, down, filter, from: 0, count: pageRows, ...which });
      // A row that the filter hides is shown all the same.
      if (which.row !== undefined && filter !== '' && !answer.numbers.includes(which.row) && asked === this.asked) {
        this.filter = '';
        answer = await source.ask({ sorted, down, filter: '', from: 0, count: pageRows, ...which });
      }
      if (asked !== this.asked || source !== this.source) return;
      this.answer = answer;
      this.problem = '';
    } catch (error) {
      if (asked === this.asked) this.problem = (error as Error).message;
    } finally {
      if (asked === this.asked) this.working = false;
    }
    await this.updateComplete;
    const box = this.renderRoot.querySelector('.scroll');
    if (which.row === undefined) box?.scrollTo({ top: 0 });
    else this.renderRoot.querySelector('tr[aria-current]')?.scrollIntoView({ block: 'nearest' });
  }

  // The first click sorts numbers from the largest, texts from A; the third one takes the file's own order.
  private sortBy(column: number): void {
    const first = this.source?.head.numeric[column] ?? false;
    if (this.sorted !== column) {
      this.sorted = column;
      this.down = first;
    } else if (this.down === first) this.down = !first;
    else this.sorted = -1;
    void this.ask({ from: 0 });
  }

  private onFilter(value: string): void {
    this.filter = value;
    clearTimeout(this.timer);
    const rows = this.source?.head.rows ?? 0;
    // What is small answers at once; over much the word is waited for.
    if (rows < 20_000) void this.ask({ from: 0 });
    else this.timer = setTimeout(() => void this.ask({ from: 0 }), typingDelay);
  }

  private renderHead(name: string, column: number) {
    const on = this.sorted === column;
    return html`<th scope="col" class=${this.source?.head.numeric[column] ? 'number' : ''} aria-sort=${on ? (this.down ? 'descending' : 'ascending') : 'none'}>
      <button @click=${() => this.sortBy(column)}>${name || `Column ${column + 1}`}${on ? icon(this.down ? 'down' : 'up') : nothing}</button></th>`;
  }

  private renderRow(row: readonly string[], number: number) {
    const { head = [], numeric = [] } = this.source?.head ?? {};
    const choose = () => this.dispatchEvent(new CustomEvent('choose', { detail: number }));
    return html`<tr class=${this.choices ? 'choice' : ''} aria-current=${this.choices && number === this.marked ? 'true' : nothing}
      @click=${this.choices ? choose : nothing}>${head.map((_, c) => {
        const cell = row[c] ?? '';
        const title = cell.length > 40 ? cut(cell) : nothing;
        return html`<td data-long class=${numeric[c] ? 'number' : ''} title=${title}>${this.choices && c === 0 ? html`<button class="choose">${cut(cell)}</button>` : cut(cell)}</td>`;
      })}</tr>`;
  }

  private renderPages({ from, rows, total }: Answer) {
    if (total <= pageRows) return nothing;
    const last = Math.floor((total - 1) / pageRows) * pageRows;
    const to = (label: string, at: number, off: boolean) =>
      html`<button class="button" ?disabled=${off} @click=${() => void this.ask({ from: at })}>${label}</button>`;
    return html`<div class="pages" role="group" aria-label="Pages of rows">
      ${to('First', 0, from === 0)} ${to('Previous', from - pageRows, from === 0)} ${to('Next', from + pageRows, from >= last)} ${to('Last', last, from >= last)}
      <span class="quiet-text">Rows ${formatCount(from + 1)} to ${formatCount(from + rows.length)} of ${formatCount(total)}</span></div>`;
  }

  override render() {
    if (!this.source) return nothing;
    const { head, notes, uneven, broken } = this.source.head;
    const { extent } = this.source;
    const { answer } = this;
    const total = answer?.total ?? 0;
    return html`
      <div class="tools">
        <input class="input" type="search" placeholder="Filter rows" aria-label="Filter rows" .value=${this.filter}
          @input=${(e: Event) => this.onFilter((e.target as HTMLInputElement).value)}>
        <span class="grow quiet-text" role="status">${answer ? html`${formatCount(total)} ${total === 1 ? 'row' : 'rows'}${extent ? ` in ${extent}` : ''}` : 'Looking…'}</span>
      </div>
      ${this.problem ? html`<p class="warning" role="alert">${this.problem}</p>` : nothing}
      ${
        extent && (this.sorted >= 0 || this.filter !== '')
          ? html`<p class="warning" role="status">${this.sorted >= 0 ? 'Sorted' : 'Filtered'} is ${extent} alone: the rest may have other rows. Download the file to see all of it.</p>`
          : nothing
      }
      ${notes.length > 0 ? html`<pre class="notes">${notes.join('\n')}</pre>` : nothing}
      ${
        uneven > 0
          ? html`<p class="warning" role="status">${formatCount(uneven)} ${uneven === 1 ? 'row has' : 'rows have'} more or fewer cells than there are names of columns: look at the file itself before you rely on the headings.</p>`
          : nothing
      }
      ${broken ? html`<p class="warning" role="status">The quotes in this file do not match: each of its lines is shown as a row, quotes and all.</p>` : nothing}
      <div class="scroll ${this.working ? 'working' : ''}" tabindex="0" role="region" aria-label=${this.label} aria-busy=${this.working ? 'true' : 'false'}>
        <table>
          <thead><tr>${head.map((name, column) => this.renderHead(name, column))}</tr></thead>
          <tbody>${answer?.rows.map((row, i) => this.renderRow(row, answer.numbers[i] ?? -1))}</tbody>
        </table>
      </div>
      ${answer ? this.renderPages(answer) : nothing}`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'stint-table-view': TableView;
  }
}
