// What completed jobs like the one in a form used, and so what it should ask for.
import { css, html, LitElement, nothing } from 'lit';
import { customElement, property, state } from 'lit/decorators.js';
import { ApiError, call } from '../base/api';
import { durationMillis, formatBytes, formatMillis } from '../base/format';
import { sharedStyles } from '../base/styles';
import type { AdviseResponseJson } from '../gen/stint/catalog/v1/catalog_service_pb';
import type { AdviceJson } from '../gen/stint/jobs/v1/job_pb';

/** How long a form is left alone before it is asked about. */
const pause = 400;

/** The event `take`: its detail is the advice that the user takes. */
export type TakeEvent = CustomEvent<AdviceJson>;

@customElement('stint-advice')
export class AdvicePanel extends LitElement {
  static override styles = [
    sharedStyles,
    css`
      :host { display: block; }
      div { display: flex; flex-wrap: wrap; gap: 6px 14px; align-items: center; justify-content: space-between; padding: 8px 12px; border-inline-start: 4px solid var(--stint-accent); background: var(--stint-surface-2); border-radius: var(--stint-radius); }
      p { margin: 0; flex: 1 1 260px; overflow-wrap: anywhere; }
    `,
  ];

  /** Id of the service. */
  @property() service = '';
  /** The parameters of the form, as they would be sent. */
  @property({ attribute: false }) parameters: Record<string, unknown> = {};
  /** Whether the fields beside it can be seen. Nothing is asked for otherwise. */
  @property({ type: Boolean }) active = false;
  @state() private advice: AdviceJson | undefined;
  /** What is said where there is no advice. */
  @state() private without = '';
  private asked = '';
  private timer = 0;
  private running: AbortController | undefined;

  override willUpdate(): void {
    const asked = this.active && this.service ? JSON.stringify([this.service, this.parameters]) : '';
    if (!asked || asked === this.asked) return;
    this.asked = asked;
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => void this.read(), pause);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    clearTimeout(this.timer);
    this.running?.abort();
    this.asked = '';
  }

  private async read(): Promise<void> {
    this.running?.abort();
    const running = new AbortController();
    this.running = running;
    try {
      const answer = await call<AdviseResponseJson>('POST', `v1/services/${encodeURIComponent(this.service)}:advise`, {
        body: { parameters: this.parameters },
        signal: running.signal,
      });
      this.advice = answer.advice;
      this.without = '';
    } catch (error) {
      if (running.signal.aborted) return;
      if (!(error instanceof ApiError)) throw error;
      this.advice = undefined;
      this.without = error.violations.length > 0 ? 'Advice comes when the parameters are complete.' : error.message;
    }
  }

  private take(): void {
    this.dispatchEvent(new CustomEvent('take', { detail: this.advice }));
  }

  override render() {
    const { advice } = this;
    if (!advice) return this.without ? html`<div><p role="status">${this.without}</p></div>` : nothing;
    const limit = durationMillis(advice.timeLimit);
    const words = [
      Number(advice.memoryBytes ?? 0) > 0 ? `${formatBytes(advice.memoryBytes)} of memory` : '',
      limit > 0 ? `a time limit of ${formatMillis(limit)}` : '',
    ].filter(Boolean);
    if (words.length === 0) return html`<div><p role="status">${advice.note}</p></div>`;
    const n = advice.samples ?? 0;
    const half = durationMillis(advice.medianElapsed);
    return html`<div>
      <p role="status">Advised: <b>${words.join(' and ')}</b>, by ${n} completed jobs like it${half >= 1000 ? `, of which half took at most ${formatMillis(half)}` : ''}. ${advice.note}</p>
      <button type="button" class="button" data-action="advice" @click=${this.take}>Take the advice</button>
    </div>`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'stint-advice': AdvicePanel;
  }
}
