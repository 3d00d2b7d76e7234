// The page at /audit: who did what, newest first. For operators and auditors.
import { css, html, LitElement, nothing } from 'lit';
import { customElement, property, query, state } from 'lit/decorators.js';
import { call } from '../base/api';
import { formatCount, formatTime, formatTimeFull } from '../base/format';
import { navigate, pathOf, type Route } from '../base/router';
import { sharedStyles } from '../base/styles';
import type { AuditEntryJson, ListAuditResponseJson } from '../gen/stint/admin/v1/admin_service_pb';

export const tag = 'stint-audit-page';

const pageSize = 100;
const mostJobs = 5;

@customElement(tag)
export class AuditPage extends LitElement {
  static override styles = [
    sharedStyles,
    css`
      :host { display: block; }
      .page { max-width: 1400px; margin: 0 auto; padding: 14px 16px 64px; display: grid; gap: 12px; grid-template-columns: minmax(0, 1fr); }
      section { padding: 12px 16px 16px; min-width: 0; }
      form { display: flex; flex-wrap: wrap; gap: 12px; align-items: end; }
      label { display: grid; gap: 4px; font-weight: 550; }
      .scroll { overflow-x: auto; }
      table { border-collapse: collapse; width: 100%; }
      th { text-align: left; color: var(--stint-text-2); font-weight: 600; }
      th, td { padding: 5px 10px; border-bottom: 1px solid var(--stint-border); white-space: nowrap; vertical-align: top; }
      td.words { white-space: pre-wrap; overflow-wrap: anywhere; min-width: 200px; }
      td.number { font-variant-numeric: tabular-nums; }
      p { margin: 0; color: var(--stint-text-2); }
      .problem { color: var(--stint-danger); }
    `,
  ];

  @property({ attribute: false }) route: Route | undefined;
  @state() private entries: AuditEntryJson[] = [];
  @state() private next = '';
  @state() private read = false;
  @state() private problem = '';
  @query('form') private form!: HTMLFormElement;
  private life = new AbortController();

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.life.abort();
  }

  override updated(changed: Map<string, unknown>): void {
    if (changed.has('route')) void this.load('');
  }

  // load reads the first page, or the one after the last. A new question takes the place of the one before.
  private async load(pageToken: string): Promise<void> {
    this.life.abort();
    this.life = new AbortController();
    const { signal } = this.life;
    const query = { user: this.asked('user'), jobId: this.asked('job'), pageSize, pageToken };
    try {
      const answer = await call<ListAuditResponseJson>('GET', 'v1/admin/audit', { query, signal });
      this.entries = [...(pageToken ? this.entries : []), ...(answer.entries ?? [])];
      this.next = answer.nextPageToken ?? '';
      this.problem = '';
      this.read = true;
    } catch (error) {
      if (!signal.aborted) this.problem = (error as Error).message;
    }
  }

  private asked(name: string): string {
    return this.route?.query.get(name) ?? '';
  }

  private search(event: Event): void {
    event.preventDefault();
    const query = new URLSearchParams();
    for (const [name, value] of new FormData(this.form)) if (value) query.set(name, String(value).trim());
    navigate(query.size ? `audit?${query}` : 'audit');
  }

  private renderEntry(entry: AuditEntryJson) {
    const ids = entry.jobIds ?? [];
    const who = entry.actor ? `${entry.actor} for ${entry.user}` : entry.user;
    return html`<tr><td class="number">${entry.sequence}</td><td><time title=${formatTimeFull(entry.time)}>${formatTime(entry.time)}</time></td>
      <td>${who}</td><td title=${entry.credentialId ?? ''}>${entry.how}</td><td>${entry.address}</td>
      <td title=${entry.method ?? ''}>${entry.method?.split('/').pop()}${Number(entry.repeats ?? 0) > 0 ? html`, ${formatCount(entry.repeats)} more until <time title=${formatTimeFull(entry.lastRepeatTime)}>${formatTime(entry.lastRepeatTime)}</time>` : ''}</td><td>${entry.subject}</td>
      <td>${ids.slice(0, mostJobs).map((id) => html`<a href=${pathOf('jobs', id)}>${id}</a> `)}${ids.length > mostJobs ? `and ${ids.length - mostJobs} more` : nothing}</td>
      <td class="words">${entry.reason}</td></tr>`;
  }

  override render() {
    return html`<div class="page"><h1>Audit</h1>
      <form @submit=${this.search}>
        <label>User <input class="input" name="user" .value=${this.asked('user')} maxlength="128" spellcheck="false"></label>
        <label>Job <input class="input" name="job" .value=${this.asked('job')} inputmode="numeric" maxlength="20"></label>
        <button class="button">Show</button></form>
      ${this.problem ? html`<p class="problem" role="alert">${this.problem}</p>` : nothing}
      ${this.read && this.entries.length === 0 ? html`<p>No entry is like that.</p>` : nothing}
      ${
        this.entries.length > 0
          ? html`<section class="panel"><div class="scroll" tabindex="0" role="region" aria-label="Who did what"><table>
          <thead><tr><th scope="col">Number</th><th scope="col">When</th><th scope="col">Who</th><th scope="col">How</th><th scope="col">From</th><th scope="col">What</th>
            <th scope="col">Whose</th><th scope="col">Jobs</th><th scope="col">Why</th></tr></thead>
          <tbody>${this.entries.map((entry) => this.renderEntry(entry))}</tbody></table></div></section>`
          : nothing
      }
      ${this.next ? html`<div><button class="button" @click=${() => this.load(this.next)}>Show more</button></div>` : nothing}</div>`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    [tag]: AuditPage;
  }
}
