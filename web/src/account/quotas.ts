// What the user makes that has a number at which it ends: how much of it is used, and where it ends.
import { css, html, LitElement, nothing } from 'lit';
import { customElement, state } from 'lit/decorators.js';
import { call } from '../base/api';
import { formatBytes, formatCount } from '../base/format';
import { sharedStyles } from '../base/styles';
import type { GetUsageResponseJson, QuotaJson } from '../gen/stint/workspace/v1/workspace_service_pb';

/** From this part of a limit on, it is near. */
const near = 0.9;

@customElement('stint-quotas')
export class Quotas extends LitElement {
  static override styles = [
    sharedStyles,
    css`
      :host { display: block; }
      .scroll { overflow-x: auto; }
      table { border-collapse: collapse; width: 100%; }
      th { text-align: left; color: var(--stint-text-2); font-weight: 600; }
      th, td { padding: 5px 10px; border-bottom: 1px solid var(--stint-border); }
      td.number, th.number { text-align: right; white-space: nowrap; }
      td.words { overflow-wrap: anywhere; min-width: 160px; }
      .near { color: var(--stint-danger); font-weight: 600; }
      .problem { color: var(--stint-danger); margin: 0; }
    `,
  ];

  @state() private quotas: QuotaJson[] | undefined;
  @state() private problem = '';
  private life = new AbortController();

  override connectedCallback(): void {
    super.connectedCallback();
    this.life = new AbortController();
    void this.read();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.life.abort();
  }

  private async read(): Promise<void> {
    const { signal } = this.life;
    try {
      this.quotas = (await call<GetUsageResponseJson>('GET', 'v1/workspace:usage', { signal })).quotas ?? [];
      this.problem = '';
    } catch (error) {
      if (!signal.aborted) this.problem = (error as Error).message;
    }
  }

  private renderRow(quota: QuotaJson) {
    const amount = quota.bytes ? formatBytes : formatCount;
    const max = Number(quota.max ?? 0);
    const full = max > 0 && quota.used !== undefined && Number(quota.used) >= near * max;
    return html`<tr data-quota=${quota.kind ?? ''}><th scope="row">${quota.title}</th>
      <td class="number ${full ? 'near' : ''}">${quota.used === undefined ? '' : amount(quota.used)}</td>
      <td class="number">${max === 0 ? 'none' : amount(max)}</td>
      <td class="words">${full ? quota.wayOut : ''}</td></tr>`;
  }

  override render() {
    if (this.problem) return html`<p class="problem" role="alert">${this.problem}</p>`;
    if (!this.quotas) return nothing;
    return html`<div class="scroll" tabindex="0" role="region" aria-label="Table of limits"><table>
      <thead><tr><th scope="col">What</th><th scope="col" class="number">Used</th><th scope="col" class="number">Limit</th>
        <th scope="col"><span class="visually-hidden">What to do</span></th></tr></thead>
      <tbody>${this.quotas.map((quota) => this.renderRow(quota))}</tbody></table></div>`;
  }
}
