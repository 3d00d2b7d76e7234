// Where the output of two jobs begins to differ, and how.
import { structuredPatch } from 'diff';
import { css, html, LitElement, nothing } from 'lit';
import { customElement, property, state } from 'lit/decorators.js';
import { formatBytes, formatCount } from '../base/format';
import { sharedStyles } from '../base/styles';
import { visible } from '../base/words';
import { type LogName, LogSource } from '../job/log-source';

const mostBytes = 512 << 10;
const mostLines = 500;
/** Texts that have little in common take long to compare: after this the page says so instead. */
const patience = 2000;

@customElement('stint-compare-logs')
export class CompareLogs extends LitElement {
  static override styles = [
    sharedStyles,
    css`
      :host { display: block; min-width: 0; }
      .tools { display: flex; gap: 8px; align-items: center; flex-wrap: wrap; margin-bottom: 8px; }
      pre { margin: 0; overflow: auto; max-height: 50vh; font: 12.5px / 1.5 var(--stint-mono); border: 1px solid var(--stint-border); border-radius: var(--stint-radius); }
      pre span { display: block; padding: 0 10px; white-space: pre-wrap; overflow-wrap: anywhere; }
      .one { background: var(--stint-failed-bg); }
      .two { background: var(--stint-completed-bg); }
      .at { color: var(--stint-text-2); background: var(--stint-surface-2); }
      p { margin: 0; color: var(--stint-text-2); }
    `,
  ];

  @property() one = '';
  @property() two = '';
  @state() private log: LogName = 'stdout';
  @state() private shown: { lines: string[]; more: number; cut: boolean } | undefined;
  @state() private problem = '';
  private life = new AbortController();

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.life.abort();
  }

  override willUpdate(changed: Map<string, unknown>): void {
    if (['one', 'two', 'log'].some((name) => changed.has(name))) void this.load();
  }

  private async load(): Promise<void> {
    this.life.abort();
    this.life = new AbortController();
    const { signal } = this.life;
    this.shown = undefined;
    this.problem = '';
    try {
      const [a, b] = await Promise.all(
        [this.one, this.two].map((job) => new LogSource(job, this.log, 0).read(0, mostBytes, signal)),
      );
      if (signal.aborted || !a || !b) return;
      const cut = a.size > a.data.length || b.size > b.data.length;
      const text = (data: Uint8Array) => new TextDecoder().decode(data);
      const patch = structuredPatch('', '', text(a.data), text(b.data), '', '', { context: 3, timeout: patience });
      if (!patch) {
        this.problem = 'The two outputs have too little in common to be compared.';
        return;
      }
      const lines = patch.hunks.flatMap((h) => [
        `@ Line ${formatCount(h.oldStart)} of the first, ${formatCount(h.newStart)} of the second`,
        ...h.lines,
      ]);
      this.shown = { lines: lines.slice(0, mostLines), more: Math.max(0, lines.length - mostLines), cut };
    } catch (error) {
      if (!signal.aborted) this.problem = (error as Error).message;
    }
  }

  private renderLines() {
    if (this.problem) return html`<p role="alert">${this.problem}</p>`;
    if (!this.shown) return html`<p role="status">Comparing…</p>`;
    const { lines, more, cut } = this.shown;
    const extent = cut ? ` in their first ${formatBytes(mostBytes)}` : '';
    if (lines.length === 0) return html`<p role="status">No difference${extent}.</p>`;
    const kinds: Record<string, string> = { '-': 'one', '+': 'two', '@': 'at' };
    return html`<pre tabindex="0" role="region" aria-label="Differences in the output">${lines.map((line) => html`<span class=${kinds[line[0] ?? ''] ?? ''}>${line[0] === '@' ? line.slice(2) : visible(line)}</span>`)}</pre>
      ${more > 0 || cut ? html`<p>${more > 0 ? `${formatCount(more)} more lines of differences. ` : ''}${cut ? `The first ${formatBytes(mostBytes)} of each were compared.` : ''}</p>` : nothing}`;
  }

  override render() {
    const choice = (log: LogName, label: string) =>
      html`<button class="button ${this.log === log ? 'primary' : ''}" aria-pressed=${this.log === log ? 'true' : 'false'} @click=${() => {
        this.log = log;
      }}>${label}</button>`;
    return html`<div class="tools" role="group" aria-label="Output">${choice('stdout', 'Standard output')} ${choice('stderr', 'Error output')}
      <span class="quiet-text">− the first, + the second</span></div>${this.renderLines()}`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'stint-compare-logs': CompareLogs;
  }
}
