// The executors: whether they are well, and how full.
import { css, html, LitElement, nothing } from 'lit';
import { customElement, property } from 'lit/decorators.js';
import { styles } from '../base/css-vars';
import { formatBytes, formatCount, formatTime } from '../base/format';
import { icon } from '../base/icons';
import { sharedStyles, stateStyles } from '../base/styles';
import type { ExecutorStatusJson } from '../gen/stint/admin/v1/status_service_pb';

@customElement('stint-executors')
export class Executors extends LitElement {
  static override styles = [
    sharedStyles,
    stateStyles,
    css`
      :host { display: grid; gap: 14px; }
      .executor { display: grid; gap: 6px; }
      .head { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; }
      .head b { font-size: 1.02rem; }
      .bar { display: grid; grid-template-columns: 70px 1fr auto; gap: 10px; align-items: center; }
      .track { height: 8px; border-radius: 4px; background: var(--stint-surface-2); overflow: hidden; }
      .fill { height: 100%; border-radius: 4px; background: var(--stint-accent); }
      .bar span { overflow-wrap: anywhere; }
      .amount { color: var(--stint-text-2); font-variant-numeric: tabular-nums; }
      p { margin: 0; color: var(--stint-text-2); overflow-wrap: anywhere; }
    `,
  ];

  @property({ attribute: false }) executors: readonly ExecutorStatusJson[] = [];

  private renderBar(label: string, used: number, total: number, words: (n: number) => string) {
    if (total === 0) return nothing;
    const amount = `${words(used)} of ${words(total)}`;
    return html`<div class="bar"><span>${label}</span>
      <div class="track" role="img" aria-label="${label}: ${amount} in use"><div class="fill" ${styles({ width: `${Math.min(100, (used / total) * 100)}%` })}></div></div>
      <span class="amount">${amount}</span></div>`;
  }

  override render() {
    return this.executors.map(
      (e) => html`<div class="executor">
        <div class="head"><b>${e.name}</b>
          ${e.healthy ? html`<span class="state completed">${icon('completed')}Well</span>` : html`<span class="state failed">${icon('failed')}Trouble</span>`}
          <span class="quiet-text">${formatCount(e.activeJobs)} ${e.activeJobs === 1 ? 'job' : 'jobs'} with it${e.unreachableSince ? html`, not reachable since ${formatTime(e.unreachableSince)}` : nothing}</span></div>
        ${this.renderBar('Cores', e.usedCpus ?? 0, e.totalCpus ?? 0, formatCount)}
        ${this.renderBar('Memory', Number(e.usedMemoryBytes ?? 0), Number(e.totalMemoryBytes ?? 0), formatBytes)}
        ${(e.resources ?? []).map((r) => this.renderBar(r.name === 'gpus' ? 'GPUs' : (r.name ?? ''), Number(r.used ?? 0), Number(r.total ?? 0), formatCount))}
        ${e.message ? html`<p>${e.message}</p>` : nothing}
      </div>`,
    );
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'stint-executors': Executors;
  }
}
