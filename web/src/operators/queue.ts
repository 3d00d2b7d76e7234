// The queue: all jobs that wait or run, of all owners, oldest first.
import { css, html, LitElement, nothing } from 'lit';
import { customElement, property } from 'lit/decorators.js';
import { formatCount, formatElapsed, formatTimeFull } from '../base/format';
import { pathOf } from '../base/router';
import { sharedStyles, stateStyles } from '../base/styles';
import { reasonWords, statePill, visible } from '../base/words';
import type { JobJson } from '../gen/stint/jobs/v1/job_pb';

@customElement('stint-queue')
export class Queue extends LitElement {
  static override styles = [
    sharedStyles,
    stateStyles,
    css`
      :host { display: block; }
      .scroll { overflow: auto; max-height: 420px; }
      table { border-collapse: collapse; width: 100%; }
      th { position: sticky; top: 0; background: var(--stint-surface); text-align: left; color: var(--stint-text-2); font-weight: 600; }
      th, td { padding: 5px 10px; border-bottom: 1px solid var(--stint-border); white-space: nowrap; }
      td.why { white-space: normal; min-width: 180px; color: var(--stint-text-2); overflow-wrap: anywhere; }
      td.name { max-width: 260px; overflow: hidden; text-overflow: ellipsis; }
      td.number { font-variant-numeric: tabular-nums; }
      p { color: var(--stint-text-2); margin: 6px 0 0; }
    `,
  ];

  @property({ attribute: false }) jobs: readonly JobJson[] = [];
  @property({ type: Number }) total = 0;
  @property({ type: Number }) now = 0;

  private renderJob(job: JobJson) {
    const running = job.state === 'STATE_RUNNING';
    const since = running ? job.startTime : job.submitTime;
    return html`<tr>
      <td class="number"><a href=${pathOf('jobs', job.id ?? '')}>${job.id}</a></td><td>${statePill(job.state)}</td>
      <td class="number"><time title=${formatTimeFull(since)}>${formatElapsed(since, undefined, this.now)}</time></td>
      <td>${job.owner}</td><td>${job.service}</td><td class="name" title=${job.outputName ?? ''}>${visible(job.outputName)}</td>
      <td class="why">${running ? (job.progress?.message ?? '') : job.message || reasonWords(job.reason)}</td></tr>`;
  }

  override render() {
    if (this.jobs.length === 0) return html`<p>No job waits or runs.</p>`;
    return html`<div class="scroll" tabindex="0" role="region" aria-label="Jobs in the queue"><table>
      <thead><tr><th scope="col">Job</th><th scope="col">State</th><th scope="col">Since</th><th scope="col">Owner</th><th scope="col">Service</th><th scope="col">Output name</th><th scope="col">Why, or what it does</th></tr></thead>
      <tbody>${this.jobs.map((job) => this.renderJob(job))}</tbody></table></div>
      ${this.total > this.jobs.length ? html`<p>The first ${formatCount(this.jobs.length)} of ${formatCount(this.total)}.</p>` : nothing}`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'stint-queue': Queue;
  }
}
