// The one table of jobs that wait or run, of all owners: the page at /everybody and the operators' page show it. Of
// jobs that are not the reader's the server may say no more than that they are there.
import { css, html, LitElement, nothing } from 'lit';
import { customElement, property } from 'lit/decorators.js';
import { placeWords } from '../base/expected';
import { followServices, followSession } from '../base/follow';
import {
  durationMillis,
  formatBytes,
  formatCount,
  formatElapsed,
  formatMillis,
  formatTime,
  formatTimeFull,
} from '../base/format';
import { pathOf } from '../base/router';
import { sharedStyles, stateStyles } from '../base/styles';
import { reasonWords, statePill, visible } from '../base/words';
import type { QueueRowJson } from '../gen/stint/admin/v1/queue_service_pb';
import type { JobJson, ResourcesJson } from '../gen/stint/jobs/v1/job_pb';

/** A row: a job, or what the server says of somebody else's. */
export type QueueRow = QueueRowJson & Pick<JobJson, 'message' | 'progress'>;

@customElement('stint-queue')
export class Queue extends LitElement {
  static override styles = [
    sharedStyles,
    stateStyles,
    css`
      :host { display: block; }
      .scroll { overflow: auto; max-height: var(--queue-height, none); }
      table { border-collapse: collapse; width: 100%; }
      th { position: sticky; top: 0; background: var(--stint-surface); text-align: start; color: var(--stint-text-2); font-weight: 600; }
      th, td { padding: 5px 10px; border-bottom: 1px solid var(--stint-border); white-space: nowrap; }
      td.why { white-space: normal; min-width: 180px; color: var(--stint-text-2); overflow-wrap: anywhere; }
      td.name { max-width: 260px; overflow: hidden; text-overflow: ellipsis; }
      td.number { font-variant-numeric: tabular-nums; }
      tr.masked { color: var(--stint-text-2); }
      tr.own td:first-child { box-shadow: inset 3px 0 0 var(--stint-accent); }
      p { color: var(--stint-text-2); margin: 6px 0 0; }
    `,
  ];

  @property({ attribute: false }) rows: readonly QueueRow[] = [];
  /** How many there are; more than rows where only the first are shown. */
  @property({ type: Number }) total = 0;
  @property({ type: Number }) now = 0;
  private readonly services = followServices(this);
  private readonly session = followSession(this);

  private why(row: QueueRow) {
    if (row.state === 'STATE_RUNNING') return visible(row.progress?.message);
    if (row.masked) return nothing;
    const words = [row.message || reasonWords(row.reason), placeWords(row)].filter(Boolean).join('; ');
    const expected = row.expectedStartTime;
    if (!expected) return words;
    return html`${words ? `${words}; ` : ''}expected to start <time title=${formatTimeFull(expected)}>${formatTime(expected)}</time>`;
  }

  private renderRow(row: QueueRow) {
    const since = row.state === 'STATE_RUNNING' ? row.startTime : row.submitTime;
    const own = !row.masked && row.owner === this.session.user;
    const job = row.masked
      ? html`<td colspan="4">another user's job</td>`
      : html`<td class="number"><a href=${pathOf('jobs', row.id ?? '')}>${row.id}</a></td><td>${own ? html`${row.owner} (you)` : row.owner}</td>
        <td title=${row.service ?? ''}>${this.services.label(row.service)}</td>
        <td class="name" data-long title=${visible(row.outputName)}>${visible(row.outputName)}</td>`;
    return html`<tr class=${row.masked ? 'masked' : own ? 'own' : ''}><td>${statePill(row.state)}</td>
      <td class="number"><time title=${formatTimeFull(since)}>${formatElapsed(since, undefined, this.now)}</time></td>${job}
      <td>${wordsOf(row.resources)}</td><td>${row.executor}</td><td class="why">${this.why(row)}</td></tr>`;
  }

  override render() {
    if (this.rows.length === 0) return html`<p>No job waits or runs.</p>`;
    return html`<div class="scroll" tabindex="0" role="region" aria-label="Jobs that wait or run"><table>
      <thead><tr><th scope="col">State</th><th scope="col">Since</th><th scope="col">Job</th><th scope="col">Owner</th><th scope="col">Service</th>
        <th scope="col">Output name</th><th scope="col">Asks for</th><th scope="col">Executor</th><th scope="col">Progress / why</th></tr></thead>
      <tbody>${this.rows.map((row) => this.renderRow(row))}</tbody></table></div>
      ${this.rows.some((row) => row.masked) ? html`<p class="masked">Of jobs of others is said that they are there: not what they wait for, nor their place, nor when they start. That is for those who may see them.</p>` : nothing}
      ${this.total > this.rows.length ? html`<p>The first ${formatCount(this.rows.length)} of ${formatCount(this.total)}.</p>` : nothing}`;
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
    'stint-queue': Queue;
  }
}
