// What is known of the selected job, beside the table, for those who do not want to leave it.
import { css, html, LitElement, nothing } from 'lit';
import { customElement, property } from 'lit/decorators.js';
import { serverNow } from '../base/clock';
import { placeWords, rangeWords } from '../base/expected';
import { formatElapsed, formatTime, formatTimeFull } from '../base/format';
import { pathOf } from '../base/router';
import { sharedStyles, stateStyles } from '../base/styles';
import { reasonWords, statePill, visible } from '../base/words';
import type { ServiceJson } from '../gen/stint/catalog/v1/catalog_service_pb';
import type { TimeRangeJson } from '../gen/stint/jobs/v1/job_pb';
import type { Row } from './job-list';

@customElement('stint-job-details')
export class JobDetails extends LitElement {
  static override styles = [
    sharedStyles,
    stateStyles,
    css`
      :host { display: block; width: 270px; padding: 14px 16px; overflow: auto; }
      h2 { overflow-wrap: anywhere; margin-bottom: 8px; }
      .reason { margin: 10px 0 0; overflow-wrap: anywhere; }
      dl { display: grid; grid-template-columns: auto 1fr; gap: 6px 12px; margin: 14px 0; }
      dt { color: var(--stint-text-2); }
      dd { margin: 0; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
      p { color: var(--stint-text-2); margin: 0; }
    `,
  ];

  @property({ attribute: false }) rows: readonly Row[] = [];
  @property({ attribute: false }) services: ReadonlyMap<string, ServiceJson> = new Map();

  override render() {
    const [row] = this.rows;
    if (!row || this.rows.length > 1) {
      return html`<p>${row ? `${this.rows.length} jobs are selected.` : 'Select a job to see what is known of it, and what can be done with it.'}</p>`;
    }
    const time = (label: string, value: string | undefined, range?: TimeRangeJson) =>
      value
        ? html`<dt>${label}</dt><dd title=${formatTimeFull(value)}>${formatTime(value)}${rangeWords(range, serverNow())}</dd>`
        : nothing;
    return html`<h2>${visible(row.outputName) || `Job ${row.id}`}</h2>
      ${statePill(row.state)} <span class="quiet-text">${reasonWords(row.reason)}</span>
      ${row.message ? html`<div class="reason">${row.message}</div>` : nothing}
      <dl>
        <dt>Job</dt><dd><a href=${pathOf('jobs', row.id)}>${row.id}</a></dd>
        <dt>Service</dt><dd>${this.services.get(row.service ?? '')?.label || row.service}</dd>
        <dt>Owner</dt><dd>${row.owner}</dd>
        ${time('Submitted', row.submitTime)} ${time('Started', row.startTime)} ${time('Ended', row.completeTime)}
        ${row.queuePosition ? html`<dt>Place</dt><dd>${placeWords(row)}</dd>` : nothing}
        ${row.startTime ? nothing : time('Should start', row.expectedStartTime, row.expectedStartRange)} ${time('Should end', row.expectedCompleteTime, row.expectedCompleteRange)}
        ${row.expectationNote ? html`<dt>Not known</dt><dd class="note">${row.expectationNote}</dd>` : nothing}
        ${row.startTime ? html`<dt>Elapsed</dt><dd>${formatElapsed(row.startTime, row.completeTime)}</dd>` : nothing}
        ${row.exitCode === undefined ? nothing : html`<dt>Exit code</dt><dd>${row.exitCode}</dd>`}
        ${row.progress?.message ? html`<dt>Progress</dt><dd>${visible(row.progress.message)}</dd>` : nothing}
      </dl>`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'stint-job-details': JobDetails;
  }
}
