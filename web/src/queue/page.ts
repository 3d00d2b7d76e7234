// The page at /everybody: all jobs that wait or run, of all users, in the order
// in which they were submitted. Of jobs that are not the user's it says only that
// they are there and what they ask for; the server sends no more.
import { css, html, LitElement, nothing } from 'lit';
import { customElement, property, state } from 'lit/decorators.js';
import { call } from '../base/api';
import {
  durationMillis,
  formatBytes,
  formatCount,
  formatElapsed,
  formatMillis,
  formatTime,
  formatTimeFull,
} from '../base/format';
import { pathOf, type Route } from '../base/router';
import { sharedStyles, stateStyles } from '../base/styles';
import { reasonWords, statePill, visible } from '../base/words';
import type { ListQueueResponseJson, QueueRowJson } from '../gen/stint/admin/v1/queue_service_pb';
import type { ResourcesJson } from '../gen/stint/jobs/v1/job_pb';

export const tag = 'stint-queue-page';

const everyMillis = 10_000;
const pageSize = 200;

@customElement(tag)
export class QueuePage extends LitElement {
  static override styles = [
    sharedStyles,
    stateStyles,
    css`
      :host { display: block; }
      .page { max-width: 1300px; margin: 0 auto; padding: 14px 16px 64px; display: grid; gap: 12px; grid-template-columns: minmax(0, 1fr); }
      section { padding: 12px 16px 16px; min-width: 0; }
      .scroll { overflow-x: auto; }
      table { border-collapse: collapse; width: 100%; }
      th { text-align: left; color: var(--stint-text-2); font-weight: 600; }
      th, td { padding: 5px 10px; border-bottom: 1px solid var(--stint-border); white-space: nowrap; }
      td.name { max-width: 260px; overflow: hidden; text-overflow: ellipsis; }
      td.number { font-variant-numeric: tabular-nums; }
      tr.masked { color: var(--stint-text-2); }
      p { margin: 0; color: var(--stint-text-2); }
      .problem { color: var(--stint-danger); }
    `,
  ];

  @property({ attribute: false }) route: Route | undefined;
  @state() private answer: ListQueueResponseJson | undefined;
  @state() private pages = 1;
  @state() private problem = '';
  private now = Date.now();
  private life = new AbortController();

  override connectedCallback(): void {
    super.connectedCallback();
    this.life = new AbortController();
    const { signal } = this.life;
    const ticks = setInterval(() => document.hidden || void this.read(), everyMillis);
    signal.addEventListener('abort', () => clearInterval(ticks));
    document.addEventListener('visibilitychange', () => document.hidden || void this.read(), { signal });
    void this.read();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.life.abort();
  }

  // read reads all pages that are shown: rows move up as jobs end.
  private async read(): Promise<void> {
    const { signal } = this.life;
    try {
      const rows: QueueRowJson[] = [];
      let answer: ListQueueResponseJson = {};
      let pageToken = '';
      for (let i = 0; i < this.pages; i++) {
        answer = await call<ListQueueResponseJson>('GET', 'v1/queue', { query: { pageSize, pageToken }, signal });
        rows.push(...(answer.rows ?? []));
        pageToken = answer.nextPageToken ?? '';
        if (!pageToken) break;
      }
      this.answer = { ...answer, rows };
      this.now = Date.now();
      this.problem = '';
    } catch (error) {
      if (!signal.aborted) this.problem = (error as Error).message;
    }
  }

  private more(): void {
    this.pages++;
    void this.read();
  }

  private renderRow(row: QueueRowJson) {
    const running = row.state === 'STATE_RUNNING';
    const since = running ? row.startTime : row.submitTime;
    const whose = row.masked
      ? html`<td colspan="4">another user's job</td>`
      : html`<td class="number"><a href=${pathOf('jobs', row.id ?? '')}>${row.id}</a></td><td>${row.owner}</td><td>${row.service}</td>
        <td class="name" title=${row.outputName ?? ''}>${visible(row.outputName)}</td>`;
    const expected = row.expectedStartTime;
    return html`<tr class=${row.masked ? 'masked' : ''}><td>${statePill(row.state)}</td>
      <td class="number"><time title=${formatTimeFull(since)}>${formatElapsed(since, undefined, this.now)}</time></td>${whose}
      <td>${wordsOf(row.resources)}</td><td>${row.executor}</td>
      <td>${running ? nothing : expected ? html`expected <time title=${formatTimeFull(expected)}>${formatTime(expected)}</time>` : reasonWords(row.reason)}</td></tr>`;
  }

  private renderTable(rows: readonly QueueRowJson[]) {
    if (rows.length === 0) return html`<p>No job waits or runs.</p>`;
    return html`<div class="scroll" tabindex="0" role="region" aria-label="Jobs of everybody"><table>
      <thead><tr><th scope="col">State</th><th scope="col">Since</th><th scope="col">Job</th><th scope="col">Owner</th><th scope="col">Service</th><th scope="col">Output name</th>
        <th scope="col">Asks for</th><th scope="col">Executor</th><th scope="col">Start</th></tr></thead>
      <tbody>${rows.map((row) => this.renderRow(row))}</tbody></table></div>`;
  }

  override render() {
    const { answer } = this;
    return html`<div class="page"><h1>Everybody's jobs</h1>
      ${this.problem ? html`<p class="problem" role="alert">${this.problem}</p>` : nothing}
      ${
        answer
          ? html`<p>${formatCount(answer.totalRunning)} run and ${formatCount(answer.totalQueued)} wait, in the order in which they were submitted.</p>
          <section class="panel">${this.renderTable(answer.rows ?? [])}</section>
          ${answer.nextPageToken ? html`<div><button class="button" @click=${this.more}>Show more</button></div>` : nothing}`
          : nothing
      }</div>`;
  }
}

function wordsOf(resources: ResourcesJson = {}): string {
  const { cpus, memoryBytes, gpus, timeLimit } = resources;
  const words = [];
  if (cpus) words.push(`${cpus} ${cpus === 1 ? 'core' : 'cores'}`);
  if (Number(memoryBytes ?? 0)) words.push(formatBytes(memoryBytes));
  if (gpus) words.push(`${gpus} GPU${gpus === 1 ? '' : 's'}`);
  if (timeLimit) words.push(`for ${formatMillis(durationMillis(timeLimit))}`);
  return words.join(', ');
}

declare global {
  interface HTMLElementTagNameMap {
    [tag]: QueuePage;
  }
}
