// Shows features in GFF3: a map of one sequence that can be moved and magnified, and their table, each leading to the other.
import { css, html, LitElement, nothing } from 'lit';
import { customElement, property, query, state } from 'lit/decorators.js';
import { styles } from '../base/css-vars';
import { formatCount } from '../base/format';
import { sharedStyles } from '../base/styles';
import { FeatureMap, nameOf, niceStep, type Placed } from './feature-map';
import { type Feature, parseGff } from './gff';
import { rowsSource, type TableSource } from './table-source';
import { viewerStyles } from './viewer-styles';
import type { PickEvent, Surface, ZoomCanvas } from './zoom-canvas';
import './table';
import './zoom-canvas';

const laneHeight = 18;
const axisHeight = 22;
const edge = 6;
const colours = ['accent', 'running', 'cancelled', 'focus'];
/** Closer than so many positions a pixel has no use. */
const closest = 0.05;

@customElement('stint-features-view')
export class FeaturesView extends LitElement {
  static override styles = [
    sharedStyles,
    viewerStyles,
    css`
      .legend { display: flex; gap: 4px 14px; flex-wrap: wrap; color: var(--stint-text-2); }
      .legend i { display: inline-block; width: 10px; height: 10px; border-radius: 2px; background: var(--colour); margin-inline-end: 4px; forced-color-adjust: none; }
      .chosen { margin: 6px 0 8px; overflow-wrap: anywhere; }
      stint-table-view { --viewer-height: 34vh; }
    `,
  ];

  @property() text = '';
  @property({ type: Boolean }) cut = false;
  @state() private sequence = '';
  @state() private marked = -1;
  @query('stint-zoom-canvas') private canvas!: ZoomCanvas;
  private bySequence = new Map<string, Feature[]>();
  private map = new FeatureMap([]);
  private types: string[] = [];
  private source: TableSource | undefined;

  override willUpdate(changed: Map<string, unknown>): void {
    if (changed.has('text')) {
      this.bySequence = new Map();
      for (const feature of parseGff(this.text)) {
        const others = this.bySequence.get(feature.sequence);
        if (others) others.push(feature);
        else this.bySequence.set(feature.sequence, [feature]);
      }
      this.sequence = this.bySequence.keys().next().value ?? '';
    }
    if (!changed.has('text') && !changed.has('sequence')) return;
    const here = this.here;
    this.map = new FeatureMap(here);
    this.types = [...new Set(this.map.placed.map((p) => p.feature.type))];
    this.marked = -1;
    this.source = rowsSource({
      notes: [],
      uneven: 0,
      broken: false,
      head: ['Name', 'Type', 'Start', 'End', 'Strand', 'Length'],
      body: here.map((f) => [nameOf(f), f.type, `${f.start}`, `${f.end}`, f.strand, `${f.end - f.start + 1}`]),
    });
  }

  private get here(): readonly Feature[] {
    return this.bySequence.get(this.sequence) ?? [];
  }

  private choose(name: string): void {
    this.sequence = name;
    this.canvas.fit();
  }

  /** The row of a feature: where it begins, and how high it is. */
  private top({ lane, forward }: Placed): number {
    const axis = edge + this.map.lanes.forward * laneHeight;
    return forward ? axis - (lane + 1) * laneHeight : axis + axisHeight + lane * laneHeight;
  }

  private paint(surface: Surface): number {
    const { context, width, from, to, at, colour } = surface;
    const { map } = this;
    const x = (position: number) => at(position / map.length);
    this.paintAxis(surface, x);
    const marked = this.here[this.marked];
    // What is narrower than a pixel is drawn once a pixel and lane.
    const last = new Map<number, number>();
    let drawn = 0;
    for (const placed of map.between(from * map.length, to * map.length)) {
      const { feature, forward } = placed;
      const [left, right] = [x(feature.start - 1), x(feature.end)];
      const y = this.top(placed);
      if (right - left < 1) {
        const pixel = Math.floor(left);
        if (last.get(y) === pixel && feature !== marked) continue;
        last.set(y, pixel);
      }
      context.fillStyle = colour(colours[this.types.indexOf(feature.type) % colours.length] as string);
      arrow(context, Math.max(left, -20), Math.min(Math.max(right, left + 1), width + 20), y, forward);
      context.fill();
      if (feature === marked) {
        context.strokeStyle = colour('text');
        context.lineWidth = 2;
        context.stroke();
      }
      this.paintName(surface, feature, Math.max(left, 0), Math.min(right, width), y);
      drawn++;
    }
    return drawn;
  }

  private paintName({ context, colour, font }: Surface, feature: Feature, left: number, right: number, y: number) {
    const room = right - left - 12;
    if (room < 30) return;
    const name = nameOf(feature);
    context.font = font(10.5);
    context.fillStyle = colour('surface');
    context.textAlign = 'start';
    context.textBaseline = 'middle';
    const most = Math.floor(room / 5.6);
    context.fillText(name.length > most ? `${name.slice(0, most - 1)}…` : name, left + 4, y + laneHeight / 2 - 1, room);
  }

  private paintAxis({ context, width, from, to, colour, font }: Surface, x: (position: number) => number): void {
    const { length, lanes } = this.map;
    const y = edge + lanes.forward * laneHeight + axisHeight / 2;
    context.strokeStyle = colour('border-strong');
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(Math.max(0, x(0)), y - 8);
    context.lineTo(Math.min(width, x(length)), y - 8);
    context.stroke();
    const step = niceStep(((to - from) * length * 110) / width);
    context.fillStyle = colour('text-2');
    context.font = font(11);
    context.textBaseline = 'middle';
    for (let tick = Math.ceil((from * length) / step) * step; tick <= to * length; tick += step) {
      context.textAlign = x(tick) < 30 ? 'start' : x(tick) > width - 40 ? 'end' : 'center';
      context.fillText(formatCount(tick), Math.min(Math.max(x(tick), 2), width - 2), y + 2);
    }
  }

  // The smallest of those that lie there: it is the one that cannot be reached otherwise.
  private pick({ detail: { x, y, surface } }: PickEvent): void {
    const { map } = this;
    const pixel = (surface.to - surface.from) / surface.width;
    const position = (surface.from + x * pixel) * map.length;
    const slack = 3 * pixel * map.length;
    const size = (p: Placed) => p.feature.end - p.feature.start;
    let found: Placed | undefined;
    for (const placed of map.between(position - slack, position + slack)) {
      const top = this.top(placed);
      if (y >= top && y < top + laneHeight && (!found || size(placed) < size(found))) found = placed;
    }
    this.marked = found ? this.here.indexOf(found.feature) : -1;
  }

  private reveal(row: number): void {
    this.marked = row;
    const feature = this.here[row];
    if (feature) this.canvas.show((feature.start - 1) / this.map.length, feature.end / this.map.length);
  }

  private renderChosen() {
    const feature = this.here[this.marked];
    if (!feature) return html`<p class="chosen quiet-text">Click a feature, or a row of the table.</p>`;
    const notes = [...feature.attributes].map(([k, v]) => `${k}=${v}`).join('; ');
    return html`<p class="chosen"><b>${nameOf(feature)}</b> · ${feature.type} · ${formatCount(feature.start)} to ${formatCount(feature.end)} ${feature.strand} · <span class="quiet-text">${notes.slice(0, 500)}</span></p>`;
  }

  override render() {
    if (this.bySequence.size === 0) return html`<pre class="scroll">${this.text.slice(0, 20_000)}</pre>`;
    const { map } = this;
    const height = 2 * edge + (map.lanes.forward + map.lanes.reverse) * laneHeight + axisHeight;
    const names = [...this.bySequence.keys()];
    // Another one each time, so that the canvas draws what has changed here.
    const paint = (surface: Surface) => this.paint(surface);
    return html`
      ${
        names.length > 1
          ? html`<div class="tools"><label>Sequence <input class="input" list="sequences" .value=${this.sequence} @change=${(
              e: Event,
            ) => {
              const { value } = e.target as HTMLInputElement;
              if (this.bySequence.has(value)) this.choose(value);
            }}></label><datalist id="sequences">${names.slice(0, 2000).map((name) => html`<option value=${name}></option>`)}</datalist>
            <span class="quiet-text">one of ${formatCount(names.length)}</span></div>`
          : nothing
      }
      <stint-zoom-canvas axis="x" ${styles({ '--canvas-height': `${height}px` })} .paint=${paint} most=${Math.max(1, map.length * closest)}
        label="Map of ${this.sequence} with ${formatCount(map.placed.length)} features" @pick=${this.pick}>
        <span class="legend">${this.types.slice(0, 8).map((t, i) => html`<span><i ${styles({ '--colour': `var(--stint-${colours[i % colours.length]})` })}></i>${t}</span>`)}</span></stint-zoom-canvas>
      ${this.renderChosen()}
      <stint-table-view label="Features of ${this.sequence}" .source=${this.source} .marked=${this.marked} choices @choose=${(e: CustomEvent<number>) => this.reveal(e.detail)}></stint-table-view>`;
  }
}

// arrow draws a box with a tip in the direction of the strand; small ones are all tip.
function arrow(context: CanvasRenderingContext2D, left: number, right: number, y: number, forward: boolean): void {
  const h = laneHeight - 4;
  const tip = Math.min(6, right - left);
  context.beginPath();
  if (right - left < 3) {
    context.rect(left, y, right - left, h);
    return;
  }
  const [back, neck, head] = forward ? [left, right - tip, right] : [right, left + tip, left];
  context.moveTo(back, y);
  context.lineTo(neck, y);
  context.lineTo(head, y + h / 2);
  context.lineTo(neck, y + h);
  context.lineTo(back, y + h);
  context.closePath();
}

declare global {
  interface HTMLElementTagNameMap {
    'stint-features-view': FeaturesView;
  }
}
