// Shows a table of tabs or commas: sorted by any column, filtered by a word.
import { html, LitElement, nothing } from 'lit';
import { customElement, property, state } from 'lit/decorators.js';
import { formatCount } from '../base/format';
import { icon } from '../base/icons';
import { sharedStyles } from '../base/styles';
import { compareCells, isNumeric, type Rows, type Table } from './parse-table';
import { viewerStyles } from './viewer-styles';

const pageRows = 200;

@customElement('stint-table-view')
export class TableView extends LitElement {
  static override styles = [sharedStyles, viewerStyles];

  @property({ attribute: false }) table: Table | undefined;
  @property() label = 'Table';
  /** What of the file the rows are, where they are not all: `the first 4.0 MiB of 16.1 MiB`. */
  @property() extent = '';
  @state() private sorted = -1;
  @state() private down = false;
  @state() private filter = '';
  @state() private most = pageRows;
  private numeric: boolean[] = [];
  private body: Rows = [];

  override willUpdate(changed: Map<string, unknown>): void {
    const { head = [], body: rows = [] } = this.table ?? {};
    if (changed.has('table')) {
      this.sorted = -1;
      this.filter = '';
      this.most = pageRows;
      this.numeric = head.map((_, column) => isNumeric(rows, column));
    }
    if (!['table', 'sorted', 'down', 'filter'].some((name) => changed.has(name))) return;
    const word = this.filter.toLowerCase();
    this.body = rows.filter((row) => word === '' || row.some((cell) => cell.toLowerCase().includes(word)));
    if (this.sorted >= 0) {
      const column = this.sorted;
      const sign = this.down ? -1 : 1;
      this.body.sort((a, b) => {
        const [x = '', y = ''] = [a[column], b[column]];
        // What is empty stays at the end in both directions.
        return x === '' || y === '' ? compareCells(x, y) : sign * compareCells(x, y);
      });
    }
  }

  // The first click sorts numbers from the largest, texts from A; the third one takes the file's own order.
  private sortBy(column: number): void {
    const first = this.numeric[column] ?? false;
    if (this.sorted !== column) {
      this.sorted = column;
      this.down = first;
    } else if (this.down === first) this.down = !first;
    else this.sorted = -1;
  }

  private renderHead(name: string, column: number) {
    const on = this.sorted === column;
    return html`<th scope="col" class=${this.numeric[column] ? 'number' : ''} aria-sort=${on ? (this.down ? 'descending' : 'ascending') : 'none'}>
      <button @click=${() => this.sortBy(column)}>${name || `Column ${column + 1}`}${on ? icon(this.down ? 'down' : 'up') : nothing}</button></th>`;
  }

  override render() {
    const { head = [], notes = [], uneven = 0 } = this.table ?? {};
    const { body } = this;
    return html`
      <div class="tools">
        <input class="input" type="search" placeholder="Filter rows" aria-label="Filter rows" .value=${this.filter}
          @input=${(e: Event) => {
            this.filter = (e.target as HTMLInputElement).value;
          }}>
        <span class="grow quiet-text" role="status">${formatCount(body.length)} ${body.length === 1 ? 'row' : 'rows'}${this.extent ? ` in ${this.extent}` : ''}</span>
      </div>
      ${
        this.extent && (this.sorted >= 0 || this.filter !== '')
          ? html`<p class="warning" role="status">${this.sorted >= 0 ? 'Sorted' : 'Filtered'} is ${this.extent} alone: the rest may have other rows. Download the file to see all of it.</p>`
          : nothing
      }
      ${notes.length > 0 ? html`<pre class="notes">${notes.join('\n')}</pre>` : nothing}
      ${
        uneven > 0
          ? html`<p class="warning" role="status">${formatCount(uneven)} ${uneven === 1 ? 'row has' : 'rows have'} more or fewer cells than there are names of columns: look at the file itself before you rely on the headings.</p>`
          : nothing
      }
      <div class="scroll" tabindex="0" role="region" aria-label=${this.label}>
        <table>
          <thead><tr>${head.map((name, column) => this.renderHead(name, column))}</tr></thead>
          <tbody>${body
            .slice(0, this.most)
            .map(
              (row) =>
                html`<tr>${head.map((_, c) => html`<td data-long class=${this.numeric[c] ? 'number' : ''} title=${(row[c] ?? '').length > 40 ? (row[c] ?? '') : nothing}>${row[c] ?? ''}</td>`)}</tr>`,
            )}</tbody>
        </table>
      </div>
      ${
        body.length > this.most
          ? html`<p class="cut"><button class="button" @click=${() => {
              this.most += 5 * pageRows;
            }}>Show more</button> ${formatCount(this.most)} of ${formatCount(body.length)} are shown.</p>`
          : nothing
      }`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'stint-table-view': TableView;
  }
}
