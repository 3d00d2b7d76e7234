// A plot over time by uPlot, in the colours of the page.
import { css, html, LitElement, unsafeCSS } from 'lit';
import { customElement, property, query } from 'lit/decorators.js';
import uPlot from 'uplot';
import uPlotStyles from 'uplot/dist/uPlot.min.css?inline';
import { followTheme } from '../base/follow';
import { sharedStyles } from '../base/styles';

export interface Line {
  label: string;
  /** Name of a colour of the page, for example `--stint-completed`. */
  colour: string;
  values: readonly (number | null)[];
  /** What the legend says in place of the values, where they are sums. */
  said?: readonly (number | null)[];
  /** Bars that stand on zero, instead of a line. */
  bars?: boolean;
}

@customElement('stint-plot')
export class Plot extends LitElement {
  static override styles = [
    sharedStyles,
    unsafeCSS(uPlotStyles),
    css`
      :host { display: block; min-width: 0; }
      .plot { min-height: 230px; overflow: hidden; }
      .u-legend { text-align: left; color: var(--stint-text-2); }
      .u-legend th, .u-legend td { font-weight: 500; }
    `,
  ];

  /** Seconds since 1970. */
  @property({ attribute: false }) times: readonly number[] = [];
  @property({ attribute: false }) lines: readonly Line[] = [];
  @property({ attribute: false }) words: (value: number) => string = String;
  @property() label = '';
  @query('.plot') private place!: HTMLElement;
  private plot: uPlot | undefined;
  private drawn = '';
  private readonly sizes = new ResizeObserver(() => this.resize());

  constructor() {
    super();
    followTheme(this);
  }

  override connectedCallback(): void {
    super.connectedCallback();
    if (this.hasUpdated) this.sizes.observe(this.place);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.sizes.disconnect();
    this.plot?.destroy();
    this.plot = undefined;
  }

  override firstUpdated(): void {
    this.sizes.observe(this.place);
  }

  override updated(): void {
    this.draw(false);
  }

  private resize(): void {
    const width = this.place.clientWidth;
    if (this.plot && width > 0 && width !== this.plot.width) this.plot.setSize({ width, height: 200 });
    else if (!this.plot) this.draw(true);
  }

  // The colours are those at the time of drawing: a canvas knows no custom properties.
  private draw(anew: boolean): void {
    const data = [this.times, ...this.lines.map((line) => line.values)] as uPlot.AlignedData;
    const look = JSON.stringify([this.lines.map((line) => [line.label, line.colour]), this.colour('--stint-text')]);
    if (this.plot && !anew && look === this.drawn) {
      this.plot.setData(data);
      return;
    }
    this.plot?.destroy();
    this.plot = undefined;
    const width = this.place.clientWidth;
    if (width === 0 || this.times.length === 0) return;
    this.drawn = look;
    this.plot = new uPlot(this.options(width), data, this.place);
  }

  private colour(name: string): string {
    // light-dark() is resolved by asking for a colour that uses it.
    const probe = document.createElement('span');
    probe.style.color = `var(${name})`;
    this.renderRoot.append(probe);
    const { color } = getComputedStyle(probe);
    probe.remove();
    return color;
  }

  private clock(seconds: number): string {
    const span = (this.times.at(-1) ?? 0) - (this.times[0] ?? 0);
    const format: Intl.DateTimeFormatOptions =
      span > 2 * 86400 ? { month: 'short', day: 'numeric' } : { hour: '2-digit', minute: '2-digit' };
    return new Date(seconds * 1000).toLocaleString(undefined, format);
  }

  private options(width: number): uPlot.Options {
    const axis: uPlot.Axis = {
      stroke: this.colour('--stint-text-2'),
      grid: { stroke: this.colour('--stint-border'), width: 1 },
      ticks: { stroke: this.colour('--stint-border'), width: 1 },
      font: '12px system-ui, sans-serif',
    };
    const bars = uPlot.paths.bars?.({ size: [0.8, 40] });
    return {
      width,
      height: 200,
      scales: { y: { range: (_, __, max) => [0, Math.max(1, max * 1.1)] } },
      axes: [
        { ...axis, values: (_, splits) => splits.map((s) => this.clock(s)) },
        { ...axis, size: 62, values: (_, splits) => splits.map((v) => this.words(v)) },
      ],
      series: [
        {
          label: 'Time',
          value: (_, v) =>
            v === null || v === undefined
              ? '–'
              : new Date(v * 1000).toLocaleString(undefined, { dateStyle: 'short', timeStyle: 'short' }),
        },
        ...this.lines.map((line): uPlot.Series => {
          const colour = this.colour(line.colour);
          const series: uPlot.Series = {
            label: line.label,
            stroke: colour,
            width: line.bars ? 0 : 2,
            points: { show: !line.bars, size: 5, fill: colour },
            spanGaps: true,
            value: (_, v, __, i) => {
              const said = line.said && i !== null ? line.said[i] : v;
              return said === null || said === undefined ? '–' : this.words(said);
            },
          };
          if (line.bars && bars) Object.assign(series, { fill: colour, paths: bars });
          return series;
        }),
      ],
    };
  }

  override render() {
    return html`<div class="plot" role="img" aria-label=${this.label}></div>`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'stint-plot': Plot;
  }
}
