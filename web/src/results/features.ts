// Previews features in GFF3: a map of one sequence with its features as arrows, and their table.
import { css, html, LitElement, nothing, svg } from 'lit';
import { customElement, property, query, state } from 'lit/decorators.js';
import { formatCount } from '../base/format';
import { sharedStyles } from '../base/styles';
import { type Feature, parseGff } from './gff';
import type { Rows } from './parse-table';
import { viewerStyles } from './viewer-styles';
import './table';

const nameOf = (f: Feature) =>
  ['product', 'Name', 'gene', 'locus_tag', 'ID'].map((k) => f.attributes.get(k)).find((v) => v) ?? f.type;

const mostDrawn = 1500;
const width = 660;
const laneHeight = 22;

@customElement('stint-features-view')
export class FeaturesView extends LitElement {
  static override styles = [
    sharedStyles,
    viewerStyles,
    css`
      svg { display: block; width: 100%; height: auto; }
      .map { border: 1px solid var(--stint-border); border-radius: var(--stint-radius); padding: 6px 8px; margin-bottom: 10px; overflow: hidden; }
      .axis { stroke: var(--stint-border-strong); stroke-width: 1; }
      text { fill: var(--stint-text-2); font: 11px var(--stint-font); }
      .f0 { fill: var(--stint-accent); }
      .f1 { fill: var(--stint-running); }
      .f2 { fill: var(--stint-cancelled); }
      .f3 { fill: var(--stint-focus); }
      path:hover { fill: var(--stint-text); }
      .legend { display: flex; gap: 4px 14px; flex-wrap: wrap; color: var(--stint-text-2); }
      .legend svg { width: 10px; height: 10px; display: inline-block; }
    `,
  ];

  @property() text = '';
  @property({ type: Boolean }) cut = false;
  @state() private chosen = '';
  @query('.map') private map!: HTMLElement;
  private features: Feature[] = [];
  private rows: Rows = [];
  private names: string[] = [];

  override willUpdate(changed: Map<string, unknown>): void {
    if (!changed.has('text')) return;
    this.features = parseGff(this.text);
    this.names = [...new Set(this.features.map((f) => f.sequence))];
    this.chosen = this.names[0] ?? '';
    this.rows = [
      ['Sequence', 'Type', 'Start', 'End', 'Strand', 'Length', 'Name'],
      ...this.features.map((f) => [
        f.sequence,
        f.type,
        `${f.start}`,
        `${f.end}`,
        f.strand,
        `${f.end - f.start + 1}`,
        nameOf(f),
      ]),
    ];
  }

  private renderMap() {
    const here = this.features.filter((f) => f.sequence === this.chosen && f.type !== 'region' && f.type !== 'contig');
    const length = Math.max(1, ...this.features.filter((f) => f.sequence === this.chosen).map((f) => f.end));
    const types = [...new Set(here.map((f) => f.type))];
    const x = (position: number) => (position / length) * width;
    const step = niceStep(length / 6);
    const ticks = Array.from({ length: Math.floor(length / step) + 1 }, (_, i) => i * step);
    return html`<div class="map">
      <svg viewBox="-6 0 ${width + 12} ${laneHeight * 2 + 26}" role="img" aria-label="Map of ${this.chosen} with ${here.length} features">
        <line class="axis" x1="0" x2=${width} y1=${laneHeight + 3} y2=${laneHeight + 3}></line>
        ${here.slice(0, mostDrawn).map((f) => {
          const forward = f.strand !== '-';
          const path = arrow(x(f.start - 1), x(f.end), forward ? 2 : laneHeight + 6, forward);
          return svg`<path class=${`f${types.indexOf(f.type) % 4}`} d=${path}><title>${nameOf(f)}\n${f.type} ${formatCount(f.start)}–${formatCount(f.end)} ${f.strand}</title></path>`;
        })}
        ${ticks.map((t, i) => svg`<text x=${x(t)} y=${laneHeight * 2 + 20} text-anchor=${i === 0 ? 'start' : x(t) > width * 0.97 ? 'end' : 'middle'}>${formatCount(t)}</text>`)}
      </svg>
      <div class="legend">${types.slice(0, 8).map((t, i) => html`<span><svg viewBox="0 0 10 10" aria-hidden="true"><rect class="f${i % 4}" width="10" height="10" rx="2"></rect></svg> ${t}</span>`)}
        ${here.length > mostDrawn ? html`<span>The first ${formatCount(mostDrawn)} of ${formatCount(here.length)} are drawn.</span>` : nothing}</div>
    </div>`;
  }

  override render() {
    if (this.features.length === 0) return html`<pre class="scroll">${this.text.slice(0, 20_000)}</pre>`;
    return html`
      ${
        this.names.length > 1
          ? html`<div class="tools"><label>Sequence <select class="select" @change=${(e: Event) => {
              this.chosen = (e.target as HTMLSelectElement).value;
              this.map.scrollLeft = 0;
            }}>${this.names.slice(0, 2000).map((name) => html`<option value=${name}>${name}</option>`)}</select></label></div>`
          : nothing
      }
      ${this.renderMap()}
      <stint-table-view label="Features" .rows=${this.rows}></stint-table-view>`;
  }
}

function niceStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, rough)));
  return [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough) ?? power * 10;
}

// arrow draws a box with a tip in the direction of the strand; small ones are all tip.
function arrow(from: number, to: number, y: number, forward: boolean): string {
  const h = laneHeight - 6;
  const right = Math.max(to, from + 1);
  const tip = Math.min(6, right - from);
  return forward
    ? `M${from} ${y}H${right - tip}L${right} ${y + h / 2}L${right - tip} ${y + h}H${from}Z`
    : `M${right} ${y}H${from + tip}L${from} ${y + h / 2}L${from + tip} ${y + h}H${right}Z`;
}

declare global {
  interface HTMLElementTagNameMap {
    'stint-features-view': FeaturesView;
  }
}
