// Why a job failed, in the words of the program itself: the line of its logs that says so, with the way to it.
import { css, html, LitElement, nothing } from 'lit';
import { customElement, property, state } from 'lit/decorators.js';
import { sharedStyles } from '../base/styles';
import { visible } from '../base/words';
import type { JobJson } from '../gen/stint/jobs/v1/job_pb';
import { stripAnsi } from './ansi';
import { reasonOf } from './errors';
import { type LogName, LogSource } from './log-source';
import { LogWindow } from './log-window';

const tailLines = 2000;
const tailBytes = 256 << 10;
const longest = 600;
const lastLines = 3;

/** Words of a program, and where they stand. */
interface Quote {
  log: LogName;
  text: string;
  offset: number;
  /** Whether the line tells of an error, and is not only the last one. */
  reason: boolean;
}

/** Asks for a line of a log to be shown. */
export class ShowLineEvent extends Event {
  constructor(
    readonly log: LogName,
    readonly offset: number,
  ) {
    super('show-line', { bubbles: true, composed: true });
  }
}

/** What the logs say of a failure; undefined where nothing was written. */
async function quoteOf(job: string, attempt: number, signal: AbortSignal): Promise<Quote | undefined> {
  const tails = await Promise.all(
    (['stderr', 'stdout'] as const).map(async (log) => {
      const { offset, data } = await new LogSource(job, log, attempt).tail(tailLines, tailBytes, signal);
      const window = new LogWindow(2 * tailBytes);
      window.clear(offset);
      window.append(offset, data);
      const { unfinished } = window;
      const all = unfinished ? [...window.lines, unfinished] : window.lines;
      return { log, lines: all.map((line) => ({ offset: line.offset, text: stripAnsi(line.text) })) };
    }),
  );
  for (const { log, lines } of tails) {
    const found = reasonOf(lines.map((line) => line.text));
    if (found) return { log, text: found.text.trim(), offset: lines[found.index]?.offset ?? 0, reason: true };
  }
  // No line looks like an error: the last words are the best there is.
  for (const { log, lines } of tails) {
    const last = lines.filter((line) => line.text.trim() !== '').slice(-lastLines);
    if (last.length > 0)
      return { log, text: last.map((line) => line.text).join('\n'), offset: last[0]?.offset ?? 0, reason: false };
  }
  return undefined;
}

@customElement('stint-why')
export class Why extends LitElement {
  static override styles = [
    sharedStyles,
    css`
      :host { display: block; color: var(--stint-text); white-space: normal; }
      blockquote { margin: 6px 0 4px; padding: 6px 12px; border-inline-start: 3px solid currentColor; background: var(--stint-surface); border-radius: var(--stint-radius); font: 600 0.95em/1.45 var(--stint-mono); white-space: pre-wrap; overflow-wrap: anywhere; }
      .button.quiet { min-height: 26px; padding: 0; text-decoration: underline; }
    `,
  ];

  @property({ attribute: false }) job: JobJson = {};
  @state() private quote: Quote | undefined;
  @state() private read = false;
  private asked = '';
  private life = new AbortController();

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.life.abort();
    this.asked = '';
  }

  override willUpdate(): void {
    const attempt = this.job.attempts?.at(-1)?.number ?? 0;
    const key = `${this.job.id} ${attempt} ${this.job.state}`;
    if (key === this.asked || !this.job.id) return;
    this.asked = key;
    void this.load(this.job.id, attempt);
  }

  private async load(job: string, attempt: number): Promise<void> {
    this.life.abort();
    this.life = new AbortController();
    const { signal } = this.life;
    try {
      const quote = await quoteOf(job, attempt, signal);
      if (signal.aborted) return;
      this.quote = quote;
      this.read = true;
    } catch {
      // The logs below say why they cannot be read.
    }
  }

  override render() {
    const { quote } = this;
    if (!this.read) return nothing;
    if (!quote) return html`<span>The program wrote nothing, neither to its output nor to its error output.</span>`;
    const where = quote.log === 'stderr' ? 'error output' : 'standard output';
    const text = visible(quote.text.replaceAll('\n', '\u2028')).replaceAll('\u2028', '\n');
    return html`<span>${quote.reason ? 'The program says:' : 'The last that the program wrote:'}</span>
      <blockquote>${text.length > longest ? `${text.slice(0, longest)}…` : text}</blockquote>
      <button class="button quiet" data-action="show-line" @click=${() => this.dispatchEvent(new ShowLineEvent(quote.log, quote.offset))}>Show it in the ${where}</button>`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'stint-why': Why;
  }
}
