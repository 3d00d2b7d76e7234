// The page at /everybody: all jobs that wait or run, of all users, in the order
// in which they were submitted. Of jobs that are not the user's it says only that
// they are there and what they ask for; the server sends no more.

import { css, html, LitElement, nothing } from 'lit';
import { customElement, property, state } from 'lit/decorators.js';
import { call } from '../base/api';
import { serverNow } from '../base/clock';
import { formatCount } from '../base/format';
import type { Route } from '../base/router';
import { sharedStyles } from '../base/styles';
import type { ListQueueResponseJson, QueueRowJson } from '../gen/stint/admin/v1/queue_service_pb';
import './queue';

export const tag = 'stint-everybody-page';

const everyMillis = 10_000;
const pageSize = 200;

@customElement(tag)
export class EverybodyPage extends LitElement {
  static override styles = [
    sharedStyles,
    css`
      :host { display: block; }
      .page { max-width: 1300px; margin: 0 auto; padding: 14px 16px 64px; display: grid; gap: 12px; grid-template-columns: minmax(0, 1fr); }
      section { padding: 12px 16px 16px; min-width: 0; }
      p { margin: 0; color: var(--stint-text-2); }
      .problem { color: var(--stint-danger); }
    `,
  ];

  @property({ attribute: false }) route: Route | undefined;
  @state() private answer: ListQueueResponseJson | undefined;
  @state() private pages = 1;
  @state() private problem = '';
  private now = serverNow();
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
      this.now = serverNow();
      this.problem = '';
    } catch (error) {
      if (!signal.aborted) this.problem = (error as Error).message;
    }
  }

  private more(): void {
    this.pages++;
    void this.read();
  }

  override render() {
    const { answer } = this;
    return html`<div class="page"><h1>Everybody's jobs</h1>
      ${this.problem ? html`<p class="problem" role="alert">${this.problem}</p>` : nothing}
      ${
        answer
          ? html`<p>${formatCount(answer.totalRunning)} run and ${formatCount(answer.totalQueued)} wait, in the order in which they were submitted.</p>
          <section class="panel"><stint-queue .rows=${answer.rows ?? []} .total=${answer.rows?.length ?? 0} .now=${this.now}></stint-queue></section>
          ${answer.nextPageToken ? html`<div><button class="button" @click=${this.more}>Show more</button></div>` : nothing}`
          : nothing
      }</div>`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    [tag]: EverybodyPage;
  }
}
