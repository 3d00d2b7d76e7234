// The life of a job as a band of waiting and running, and the same as a list of what happened.
import { css, html, LitElement, nothing, svg } from 'lit';
import { customElement, property } from 'lit/decorators.js';
import { styles } from '../base/css-vars';
import { formatTime, formatTimeFull, formatTimeSeconds, millis } from '../base/format';
import { sharedStyles, stateStyles } from '../base/styles';
import { reasonWords, type StateName, stateName, statePill } from '../base/words';
import type { JobJson, StatusChangeJson } from '../gen/stint/jobs/v1/job_pb';
import { shortMillis } from './duration';

/** A stretch of time in one state. */
export interface Stretch {
  state: StateName;
  from: number;
  to: number;
  attempt: number;
}

/** The stretches of waiting and running. A change of the reason alone does not begin a new one. */
export function stretchesOf(job: JobJson, now: number): Stretch[] {
  const stretches: Stretch[] = [];
  for (const change of job.history ?? []) {
    const state = stateName(change.state);
    const at = millis(change.time);
    const last = stretches.at(-1);
    if (!state || Number.isNaN(at)) continue;
    if (last && last.to === 0 && (last.state !== state || (state === 'running' && last.attempt !== change.attempt))) {
      last.to = at;
    }
    if (state !== 'queued' && state !== 'running') break;
    if (last?.to !== 0) stretches.push({ state, from: at, to: 0, attempt: change.attempt ?? 0 });
  }
  const end = job.completeTime ? millis(job.completeTime) : now;
  for (const stretch of stretches) if (stretch.to === 0) stretch.to = Math.max(end, stretch.from);
  return stretches;
}

@customElement('stint-timeline')
export class Timeline extends LitElement {
  static override styles = [
    sharedStyles,
    stateStyles,
    css`
      :host { display: block; }
      svg { display: block; width: 100%; height: 22px; border-radius: var(--stint-radius); background: var(--stint-surface-2); }
      .queued { fill: color-mix(in oklab, var(--stint-queued) 38%, var(--stint-surface)); }
      .running { fill: color-mix(in oklab, var(--stint-accent) 55%, var(--stint-surface)); }
      .axis { display: flex; justify-content: space-between; gap: 12px; margin: 4px 0 0; color: var(--stint-text-2); font-variant-numeric: tabular-nums; }
      .completed { fill: var(--stint-completed); }
      .failed { fill: var(--stint-failed); }
      .cancelled { fill: var(--stint-cancelled); }
      .legend { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 8px 0 0; padding: 0; color: var(--stint-text-2); }
      .legend span { display: inline-flex; gap: 6px; align-items: center; }
      .legend i { width: 10px; height: 10px; border-radius: 3px; background: var(--colour); }
      details { margin-top: 8px; }
      summary { cursor: pointer; color: var(--stint-accent); width: fit-content; }
      ol { list-style: none; margin: 8px 0 0; padding: 0; display: grid; gap: 6px; }
      li { display: grid; grid-template-columns: minmax(148px, max-content) 104px minmax(0, 1fr); gap: 10px; align-items: baseline; }
      time { color: var(--stint-text-2); white-space: nowrap; }
      @media (max-width: 560px) { li { grid-template-columns: 1fr auto; } li span:last-child { grid-column: 1 / -1; } }
    `,
  ];

  @property({ attribute: false }) job: JobJson = {};
  /** The time that counts as now, in milliseconds. */
  @property({ type: Number }) now = 0;

  private renderBand(stretches: Stretch[]) {
    const start = stretches[0]?.from ?? 0;
    const whole = Math.max(1, (stretches.at(-1)?.to ?? 0) - start);
    // Something too short to see is given a sliver.
    const width = (s: Stretch) => Math.max(0.6, ((s.to - s.from) / whole) * 100);
    const sum = stretches.reduce((total, s) => total + width(s), 0);
    let x = 0;
    const words = stretches.map((s) => `${s.state === 'queued' ? 'waited' : 'ran'} ${shortMillis(s.to - s.from)}`);
    return html`<svg viewBox="0 0 100 10" preserveAspectRatio="none" role="img" aria-label=${words.join(', then ')}>
      ${stretches.map((s) => {
        const w = (width(s) / sum) * 100;
        const rect = svg`<rect class=${s.state} x=${x} y="0" width=${w} height="10"><title>${s.state === 'queued' ? 'Waited' : `Ran, attempt ${s.attempt}`}: ${shortMillis(s.to - s.from)}</title></rect>`;
        x += w;
        return rect;
      })}
    </svg>`;
  }

  private renderChange(change: StatusChangeJson) {
    const attempt = change.attempt && (this.job.attempts?.length ?? 0) > 1 ? `Attempt ${change.attempt}. ` : '';
    return html`<li><time title=${formatTimeFull(change.time)}>${formatTimeSeconds(change.time)}</time>
      <span>${statePill(change.state)}</span><span>${attempt}${change.message || reasonWords(change.reason)}</span></li>`;
  }

  override render() {
    const stretches = stretchesOf(this.job, this.now);
    if (stretches.length === 0) return nothing;
    const total = (state: StateName) =>
      stretches.filter((s) => s.state === state).reduce((sum, s) => sum + s.to - s.from, 0);
    const attempts = this.job.attempts?.length ?? 0;
    const ended = Boolean(this.job.completeTime);
    const legend = (past: string, now: string, colour: string, ms: number, on: boolean) =>
      ms < 1 && !on
        ? nothing
        : html`<span><i ${styles({ '--colour': colour })}></i>${on ? `${now} for` : past} ${shortMillis(ms)}</span>`;
    const edge = (time: string | undefined) =>
      html`<time title=${formatTimeFull(time)}>${formatTime(time, this.now)}</time>`;
    return html`${this.renderBand(stretches)}
      <p class="axis">${edge(this.job.history?.[0]?.time)}${ended ? edge(this.job.completeTime) : html`<span>now</span>`}</p>
      <p class="legend">
        ${legend('waited', 'waits', 'color-mix(in oklab, var(--stint-queued) 38%, var(--stint-surface))', total('queued'), stretches.at(-1)?.state === 'queued' && !ended)}
        ${legend('ran', 'runs', 'color-mix(in oklab, var(--stint-accent) 55%, var(--stint-surface))', total('running'), stretches.at(-1)?.state === 'running' && !ended)}
        ${ended ? html`<span>${statePill(this.job.state)}</span>` : nothing}
        ${attempts > 1 ? html`<span>${attempts} attempts</span>` : nothing}
      </p>
      <details><summary>All that happened</summary><ol>${(this.job.history ?? []).map((c) => this.renderChange(c))}</ol></details>`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'stint-timeline': Timeline;
  }
}
