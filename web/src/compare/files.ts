// The results of two jobs beside each other; tables that both have are joined by their first column.
import { css, html, LitElement, nothing } from 'lit';
import { customElement, property, state } from 'lit/decorators.js';
import { call } from '../base/api';
import { formatBytes, formatCount } from '../base/format';
import { pathOf } from '../base/router';
import { sharedStyles } from '../base/styles';
import { visible } from '../base/words';
import type { ListResultsResponseJson, ResultFileJson } from '../gen/stint/jobs/v1/job_service_pb';
import { readTable } from '../results/parse-table';
import { readText } from '../results/read-file';
import { rowsSource, type TableSource } from '../results/table-source';
import { displayOf, separatorOf } from '../results/viewer';
import { type FilePair, filePairs, type Joined, joinTables } from './differences';
import '../results/table';

const mostBytes = 8 << 20;
const mostListed = 500;

@customElement('stint-compare-files')
export class CompareFiles extends LitElement {
  static override styles = [
    sharedStyles,
    css`
      :host { display: block; min-width: 0; }
      .scroll { overflow: auto; max-height: 40vh; }
      table { border-collapse: collapse; width: 100%; }
      th, td { padding: 4px 10px; text-align: start; border-bottom: 1px solid var(--stint-border); overflow-wrap: anywhere; }
      td.size { white-space: nowrap; font-variant-numeric: tabular-nums; }
      h3 { margin: 14px 0 6px; font-size: 1rem; overflow-wrap: anywhere; }
      p { margin: 6px 0; color: var(--stint-text-2); }
    `,
  ];

  @property() one = '';
  @property() two = '';
  @state() private pairs: readonly FilePair[] | undefined;
  @state() private truncated = false;
  @state() private chosen = '';
  @state() private joined: (Joined & { source: TableSource; cut: boolean }) | undefined;
  @state() private problem = '';
  private life = new AbortController();

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.life.abort();
  }

  override willUpdate(changed: Map<string, unknown>): void {
    if (changed.has('one') || changed.has('two')) void this.load();
  }

  private async load(): Promise<void> {
    this.life.abort();
    this.life = new AbortController();
    const { signal } = this.life;
    this.joined = undefined;
    this.chosen = '';
    try {
      const list = (job: string) =>
        call<ListResultsResponseJson>('GET', `${pathOf('v1', 'jobs', job)}/results`, { signal });
      const [a, b] = await Promise.all([list(this.one), list(this.two)]);
      this.pairs = filePairs(a.files ?? [], b.files ?? []);
      this.truncated = Boolean(a.truncated || b.truncated);
      this.problem = '';
      const first = this.pairs.find((p) => tablesOf(p));
      if (first) await this.join(first);
    } catch (error) {
      if (!signal.aborted) this.problem = (error as Error).message;
    }
  }

  private async join({ path, one = {} }: FilePair): Promise<void> {
    const { signal } = this.life;
    this.chosen = path;
    this.joined = undefined;
    try {
      const texts = await Promise.all([this.one, this.two].map((job) => readText(job, path, mostBytes, signal)));
      if (signal.aborted || this.chosen !== path) return;
      const [a, b] = texts.map((t) => readTable(t.text, separatorOf(one)));
      if (!a || !b) return;
      const joined = joinTables(a, b);
      this.joined = { ...joined, source: rowsSource(joined.table), cut: texts.some((t) => t.cut) };
    } catch (error) {
      if (!signal.aborted) this.problem = (error as Error).message;
    }
  }

  private renderPair(pair: FilePair) {
    const size = (file: ResultFileJson | undefined) =>
      html`<td class="size">${file ? formatBytes(file.sizeBytes) : html`<span class="quiet-text">not there</span>`}</td>`;
    return html`<tr><td>${visible(pair.path)}</td>${size(pair.one)}${size(pair.two)}
      <td>${
        tablesOf(pair)
          ? html`<button class="button" aria-pressed=${pair.path === this.chosen ? 'true' : 'false'} @click=${() => this.join(pair)}>Compare rows</button>`
          : nothing
      }</td></tr>`;
  }

  private renderJoined() {
    if (!this.chosen) return nothing;
    const { joined } = this;
    if (!joined) return html`<h3>${visible(this.chosen)}</h3><p role="status">Comparing…</p>`;
    const { changed, same, onlyOne, onlyTwo } = joined;
    const words = [`${formatCount(changed)} rows differ`, `${formatCount(same)} are the same`];
    if (onlyOne > 0) words.push(`${formatCount(onlyOne)} only in the first`);
    if (onlyTwo > 0) words.push(`${formatCount(onlyTwo)} only in the second`);
    return html`<h3>${visible(this.chosen)}</h3>
      <p role="status">By the first column: ${words.join(', ')}.${joined.cut ? ` The first ${formatBytes(mostBytes)} of each file were compared.` : ''}</p>
      ${changed + onlyOne + onlyTwo > 0 ? html`<stint-table-view label="Rows that differ" .source=${joined.source}></stint-table-view>` : nothing}`;
  }

  override render() {
    if (this.problem) return html`<p role="alert">${this.problem}</p>`;
    const { pairs } = this;
    if (!pairs) return html`<p role="status">Loading…</p>`;
    if (pairs.length === 0) return html`<p>Neither job has results.</p>`;
    return html`<div class="scroll" tabindex="0" role="region" aria-label="Result files"><table>
        <thead><tr><th scope="col">File</th><th scope="col">First</th><th scope="col">Second</th><th scope="col"><span class="visually-hidden">Compare</span></th></tr></thead>
        <tbody>${pairs.slice(0, mostListed).map((pair) => this.renderPair(pair))}</tbody></table></div>
      ${pairs.length > mostListed || this.truncated ? html`<p>The first ${formatCount(Math.min(pairs.length, mostListed))} of ${formatCount(pairs.length)}${this.truncated ? ' or more' : ''} files.</p>` : nothing}
      ${this.renderJoined()}`;
  }
}

function tablesOf({ one, two }: FilePair): boolean {
  return one !== undefined && two !== undefined && displayOf(one) === 'table' && displayOf(two) === 'table';
}

declare global {
  interface HTMLElementTagNameMap {
    'stint-compare-files': CompareFiles;
  }
}
