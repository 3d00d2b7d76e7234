// Previews sequences in FASTA format: names, lengths, and the letters in blocks of ten.
import { css, html, LitElement, nothing } from 'lit';
import { customElement, property } from 'lit/decorators.js';
import { formatCount } from '../base/format';
import { sharedStyles } from '../base/styles';
import { gcShare, parseFasta, type Sequence } from './fasta';
import { viewerStyles } from './viewer-styles';

const mostSequences = 200;
const mostLetters = 3000;
const perLine = 60;

@customElement('stint-sequence-view')
export class SequenceView extends LitElement {
  static override styles = [
    sharedStyles,
    viewerStyles,
    css`
      details { border-bottom: 1px solid var(--stint-border); }
      details:last-child { border: 0; }
      summary { display: flex; flex-wrap: wrap; gap: 4px 12px; padding: 6px 12px; cursor: pointer; }
      summary:hover { background: var(--stint-hover); }
      summary b { font-family: var(--stint-mono); overflow-wrap: anywhere; }
      summary .description { flex: 1; min-width: 120px; color: var(--stint-text-2); overflow-wrap: anywhere; }
      summary .length { color: var(--stint-text-2); font-variant-numeric: tabular-nums; white-space: nowrap; }
      pre { padding: 4px 12px 12px; overflow: auto; white-space: pre; line-height: 1.6; }
      .at { color: var(--stint-text-2); user-select: none; }
    `,
  ];

  @property() text = '';
  /** Whether the text ends before the file does. */
  @property({ type: Boolean }) cut = false;
  private sequences: Sequence[] = [];

  override willUpdate(changed: Map<string, unknown>): void {
    if (changed.has('text')) this.sequences = parseFasta(this.text);
  }

  private renderLetters(letters: string) {
    const lines = [];
    for (let at = 0; at < Math.min(letters.length, mostLetters); at += perLine) {
      const line = letters.slice(at, at + perLine);
      lines.push(
        html`<span class="at">${String(at + 1).padStart(8)}  </span>${(line.match(/.{1,10}/g) ?? []).join(' ')}\n`,
      );
    }
    const rest = letters.length - mostLetters;
    return html`<pre tabindex="0" aria-label="Letters">${lines}${rest > 0 ? html`<span class="at">  … ${formatCount(rest)} more</span>` : nothing}</pre>`;
  }

  private renderSequence({ name, description, letters }: Sequence, open: boolean) {
    const gc = gcShare(letters);
    return html`<details ?open=${open}><summary><b>${name}</b><span class="description">${description}</span>
      <span class="length">${formatCount(letters.length)}${gc === undefined ? ' residues' : html` bases · ${(gc * 100).toFixed(1)} % GC`}</span></summary>
      ${this.renderLetters(letters)}</details>`;
  }

  override render() {
    const { sequences } = this;
    if (sequences.length === 0) return html`<pre class="scroll">${this.text.slice(0, 20_000)}</pre>`;
    return html`<div class="scroll" tabindex="0" role="region" aria-label="Sequences">${sequences
      .slice(0, mostSequences)
      .map((s, i) => this.renderSequence(s, i === 0))}</div>
      <p class="cut">${formatCount(sequences.length)} ${sequences.length === 1 ? 'sequence' : 'sequences'}${this.cut ? ' in the first part of the file' : ''}${
        sequences.length > mostSequences ? `; the first ${mostSequences} are shown` : ''
      }.</p>`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'stint-sequence-view': SequenceView;
  }
}
