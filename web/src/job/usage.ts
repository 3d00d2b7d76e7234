// What a job asked for against what it used, as bars.
import { css, html, LitElement, nothing } from 'lit';
import { customElement, property } from 'lit/decorators.js';
import { styles } from '../base/css-vars';
import { durationMillis, formatBytes, millis } from '../base/format';
import { sharedStyles } from '../base/styles';
import type { AttemptJson, JobJson } from '../gen/stint/jobs/v1/job_pb';
import { shortMillis } from './duration';

interface Bar {
  /** Whether using nearly all of it is a danger. Using all cores that one asked for is none. */
  danger: boolean;
  label: string;
  used: number;
  asked: number;
  words: (n: number) => string;
}

@customElement('stint-usage')
export class UsageChart extends LitElement {
  static override styles = [
    sharedStyles,
    css`
      :host { display: grid; gap: 10px; }
      .bar { display: grid; gap: 3px; }
      .words { display: flex; justify-content: space-between; gap: 8px; }
      .words span:last-child { color: var(--stint-text-2); text-align: right; }
      .track { height: 8px; border-radius: 4px; background: var(--stint-surface-2); overflow: hidden; }
      .fill { height: 100%; width: var(--part); min-width: 2px; border-radius: 4px; background: var(--stint-accent); }
      .note { margin: 0; color: var(--stint-text-2); overflow-wrap: anywhere; }
      .fill.high { background: var(--stint-failed); }
    `,
  ];

  @property({ attribute: false }) job: JobJson = {};
  @property({ type: Number }) now = 0;

  private bars(attempt: AttemptJson | undefined): Bar[] {
    const asked = attempt?.resources ?? this.job.resources ?? {};
    const usage = attempt?.usage;
    const since = millis(attempt?.startTime);
    const elapsed = usage ? durationMillis(usage.elapsed) : attempt?.completeTime ? Number.NaN : this.now - since;
    const cpu = durationMillis(usage?.cpuTime);
    const cores = (n: number) => (n === 1 ? '1 core' : `${Number(n.toFixed(n < 10 ? 2 : 0))} cores`);
    return [
      {
        label: 'Memory',
        danger: true,
        used: Number(usage?.maxRssBytes ?? Number.NaN),
        asked: Number(asked.memoryBytes ?? 0),
        words: formatBytes,
      },
      { label: 'Time', danger: true, used: elapsed, asked: durationMillis(asked.timeLimit) || 0, words: shortMillis },
      {
        label: 'Cores used',
        danger: false,
        used: elapsed > 0 ? cpu / elapsed : Number.NaN,
        asked: asked.cpus ?? 0,
        words: cores,
      },
    ];
  }

  private renderBar({ label, used, asked, words, danger }: Bar) {
    const known = !Number.isNaN(used);
    const part = known && asked > 0 ? Math.min(1, used / asked) : 0;
    const limit = asked > 0 ? words(asked) : 'no limit';
    const said = known ? `${words(used)} of ${limit}` : asked > 0 ? `asked for ${limit}` : limit;
    return html`<div class="bar">
      <div class="words"><span>${label}</span><span>${said}</span></div>
      ${
        asked > 0
          ? html`<div class="track" role="img" aria-label="${label}: ${said}"><div class="fill ${danger && part > 0.9 ? 'high' : ''}"
            ${styles({ '--part': `${part * 100}%` })} ?hidden=${!known}></div></div>`
          : nothing
      }
    </div>`;
  }

  override render() {
    const attempt = this.job.attempts?.at(-1);
    const notes = [attempt?.resourcesNote, this.job.usageNote].filter(Boolean);
    return html`${this.bars(attempt).map((bar) => this.renderBar(bar))}${notes.map((note) => html`<p class="note">${note}</p>`)}`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'stint-usage': UsageChart;
  }
}
