// A drawing on a canvas that is moved and magnified along one axis: by buttons, by keys, by dragging, with a pinch,
// and with the wheel while Ctrl is held. What is drawn, and where in it something is, is the business of its owner.
import { type Selection, select } from 'd3-selection';
import { type D3ZoomEvent, type ZoomBehavior, zoom, zoomIdentity } from 'd3-zoom';
import { css, html, LitElement } from 'lit';
import { customElement, property, query } from 'lit/decorators.js';
import { followMedia, followTheme } from '../base/follow';
import { icon } from '../base/icons';
import { sharedStyles } from '../base/styles';

/** What an owner draws with. The whole of the content has the length 1; the part in sight is from `from` to `to`. */
export interface Surface {
  context: CanvasRenderingContext2D;
  /** In pixels of the page. */
  width: number;
  height: number;
  from: number;
  to: number;
  /** The pixel of a place in the content. */
  at: (place: number) => number;
  /** The value of a colour of the theme, such as `text-2`, in a form that a canvas takes. */
  colour: (name: string) => string;
  font: (size: number) => string;
}

/** Draws, and returns how many shapes that were. */
export type Paint = (surface: Surface) => number;

/** Where a canvas was clicked. */
export type PickEvent = CustomEvent<{ x: number; y: number; surface: Surface }>;

const step = 1.6;
// Where the user chose the colours, the theme's are replaced: text and lines, and what is marked.
const forced: Record<string, string> = { focus: 'Highlight', surface: 'Canvas' };

@customElement('stint-zoom-canvas')
export class ZoomCanvas extends LitElement {
  static override styles = [
    sharedStyles,
    css`
      :host { display: block; min-width: 0; }
      canvas { display: block; width: 100%; height: var(--canvas-height, 60vh); border: 1px solid var(--stint-border); border-radius: var(--stint-radius); background: var(--stint-surface); cursor: grab; touch-action: pan-y; }
      :host([axis="y"]) canvas { touch-action: none; }
      canvas:active { cursor: grabbing; }
      .under { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; justify-content: space-between; margin-top: 6px; }
      .zoom { display: flex; gap: 4px; margin-inline-start: auto; }
      .zoom .button { min-width: 30px; justify-content: center; }
    `,
  ];

  @property({ reflect: true }) axis: 'x' | 'y' = 'x';
  @property({ attribute: false }) paint: Paint | undefined;
  /** What the drawing is, for those who do not see it. */
  @property() label = '';
  /** How far it can be magnified. */
  @property({ type: Number }) most = 100;
  @query('canvas') private canvas!: HTMLCanvasElement;
  private readonly forcedColours = followMedia(this, '(forced-colors: active)');
  private behavior: ZoomBehavior<HTMLCanvasElement, unknown> | undefined;
  private target: Selection<HTMLCanvasElement, unknown, null, undefined> | undefined;
  private transform = zoomIdentity;
  private frame = 0;
  private readonly sizes = new ResizeObserver(() => this.measure());

  constructor() {
    super();
    followTheme(this);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.sizes.disconnect();
    cancelAnimationFrame(this.frame);
    this.frame = 0;
  }

  override connectedCallback(): void {
    super.connectedCallback();
    if (this.hasUpdated) this.sizes.observe(this.canvas);
  }

  override firstUpdated(): void {
    this.target = select(this.canvas);
    this.behavior = zoom<HTMLCanvasElement, unknown>()
      // The wheel alone scrolls the page.
      .filter((e: MouseEvent) => (e.type === 'wheel' ? e.ctrlKey || e.metaKey : !e.ctrlKey && !e.button))
      .on('zoom', (e: D3ZoomEvent<HTMLCanvasElement, unknown>) => {
        this.transform = e.transform;
        this.schedule();
      });
    this.target.call(this.behavior).on('dblclick.zoom', null);
    this.canvas.addEventListener('wheel', (e) => this.onWheel(e), { passive: false });
    this.sizes.observe(this.canvas);
  }

  override updated(): void {
    this.behavior?.scaleExtent([1, Math.max(1, this.most)]);
    this.schedule();
  }

  /** Shows all of it. */
  fit(): void {
    if (this.target) this.behavior?.transform(this.target, zoomIdentity);
  }

  /** Magnifies around the middle of what is in sight. */
  by(factor: number): void {
    if (this.target) this.behavior?.scaleBy(this.target, factor);
  }

  /** Moves by a part of what is in sight. */
  move(part: number): void {
    const by = (-part * this.length) / this.transform.k;
    if (this.target) this.behavior?.translateBy(this.target, this.axis === 'x' ? by : 0, this.axis === 'y' ? by : 0);
  }

  /** Brings a part of the content into sight, with some room around it. */
  show(from: number, to: number): void {
    if (!this.target || !this.behavior || this.length === 0) return;
    const k = Math.min(Math.max(1, 0.6 / Math.max(to - from, 1e-9)), Math.max(1, this.most));
    const shift = this.length / 2 - k * this.length * ((from + to) / 2);
    const next =
      this.axis === 'x' ? zoomIdentity.translate(shift, 0).scale(k) : zoomIdentity.translate(0, shift).scale(k);
    this.behavior.transform(this.target, next);
    // transform() does not hold to the bounds by itself.
    this.behavior.translateBy(this.target, 0, 0);
  }

  /** How far it is magnified; 1 where all of it is in sight. */
  get scale(): number {
    return this.transform.k;
  }

  private get length(): number {
    return this.axis === 'x' ? this.canvas.clientWidth : this.canvas.clientHeight;
  }

  private measure(): void {
    const { clientWidth: w, clientHeight: h } = this.canvas;
    if (w === 0 || h === 0) return;
    const bounds: [[number, number], [number, number]] = [
      [0, 0],
      [w, h],
    ];
    this.behavior?.extent(bounds).translateExtent(bounds);
    if (this.target) this.behavior?.translateBy(this.target, 0, 0);
    this.schedule();
  }

  // The wheel moves the drawing while there is some of it to see in that direction, and else the page.
  private onWheel(e: WheelEvent): void {
    if (e.ctrlKey || e.metaKey || !this.target) return;
    const along = this.axis === 'y' ? e.deltaY : e.shiftKey ? e.deltaY || e.deltaX : e.deltaX;
    if (along === 0) return;
    const before = this.transform;
    const by = (-along * (e.deltaMode === 1 ? 16 : 1)) / before.k;
    this.behavior?.translateBy(this.target, this.axis === 'x' ? by : 0, this.axis === 'y' ? by : 0);
    if (this.transform.x !== before.x || this.transform.y !== before.y) e.preventDefault();
  }

  private onKey(e: KeyboardEvent): void {
    const [back, forth] = this.axis === 'x' ? ['ArrowLeft', 'ArrowRight'] : ['ArrowUp', 'ArrowDown'];
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    if (e.key === '+' || e.key === '=') this.by(step);
    else if (e.key === '-') this.by(1 / step);
    else if (e.key === '0') this.fit();
    else if (e.key === back) this.move(-0.2);
    else if (e.key === forth) this.move(0.2);
    else return;
    e.preventDefault();
  }

  private schedule(): void {
    if (this.frame === 0 && this.isConnected) this.frame = requestAnimationFrame(() => this.draw());
  }

  private surface(): Surface | undefined {
    const context = this.canvas.getContext('2d');
    const { clientWidth: width, clientHeight: height } = this.canvas;
    if (!context || width === 0 || height === 0) return undefined;
    const { k } = this.transform;
    const shift = this.axis === 'x' ? this.transform.x : this.transform.y;
    const { length } = this;
    const known = new Map<string, string>();
    const own = getComputedStyle(this);
    const colour = (name: string) => {
      if (this.forcedColours.matches) return forced[name] ?? 'CanvasText';
      let value = known.get(name);
      if (value === undefined) {
        // A property of its own has its text as it was written; as a colour it is computed.
        this.canvas.style.color = `var(--stint-${name})`;
        value = getComputedStyle(this.canvas).color;
        known.set(name, value);
      }
      return value;
    };
    return {
      context,
      width,
      height,
      from: -shift / k / length,
      to: (length - shift) / k / length,
      at: (place) => place * length * k + shift,
      colour,
      font: (size) => `${size}px ${own.fontFamily}`,
    };
  }

  private draw(): void {
    this.frame = 0;
    const surface = this.surface();
    if (!surface) return;
    const { context, width, height } = surface;
    const ratio = devicePixelRatio;
    const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (this.canvas.width !== w || this.canvas.height !== h) [this.canvas.width, this.canvas.height] = [w, h];
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    this.canvas.dataset.drawn = String(this.paint?.(surface) ?? 0);
  }

  private onClick(e: MouseEvent): void {
    const surface = this.surface();
    if (!surface) return;
    const box = this.canvas.getBoundingClientRect();
    const x = e.clientX - box.left - this.canvas.clientLeft;
    const y = e.clientY - box.top - this.canvas.clientTop;
    this.dispatchEvent(new CustomEvent('pick', { detail: { x, y, surface } }));
  }

  override render() {
    return html`<canvas role="img" tabindex="0" aria-label=${this.label} @click=${this.onClick} @keydown=${this.onKey}
        title="Drag to move, Ctrl and wheel to magnify"></canvas>
      <div class="under"><slot></slot><div class="zoom" role="group" aria-label="Magnify">
        <button class="button" title="Closer (+)" aria-label="Closer" @click=${() => this.by(step)}>${icon('plus')}</button>
        <button class="button" title="Farther (-)" aria-label="Farther" @click=${() => this.by(1 / step)}>${icon('minus')}</button>
        <button class="button" title="All of it (0)" @click=${() => this.fit()}>All</button>
      </div></div>`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'stint-zoom-canvas': ZoomCanvas;
  }
}
