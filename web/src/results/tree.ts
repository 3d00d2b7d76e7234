// Draws a phylogenetic tree.
import { css, html, LitElement, nothing, svg } from 'lit';
import { customElement, property, state } from 'lit/decorators.js';
import { styles } from '../base/css-vars';
import { formatCount } from '../base/format';
import { sharedStyles } from '../base/styles';
import { type PlacedNode, parseNewick, placeTree } from './newick';
import { viewerStyles } from './viewer-styles';

const rowHeight = 20;
const mostLeaves = 3000;
const room = 640;
const letterWidth = 7.2;

@customElement('stint-tree-view')
export class TreeView extends LitElement {
  static override styles = [
    sharedStyles,
    viewerStyles,
    css`
      svg { display: block; width: var(--width); height: var(--height); max-width: none; }
      .branch { stroke: var(--stint-text-2); stroke-width: 1.4; fill: none; }
      .leader { stroke: var(--stint-border); stroke-dasharray: 2 3; }
      text { fill: var(--stint-text); font: 12.5px var(--stint-font); dominant-baseline: central; }
      .support { fill: var(--stint-text-2); font-size: 10.5px; }
      .scale { stroke: var(--stint-text-2); stroke-width: 1.4; }
      .tools label { display: inline-flex; gap: 6px; align-items: center; }
    `,
  ];

  @property() text = '';
  @state() private support = true;
  @state() private aligned = false;

  private draw() {
    const { nodes, leaves, depth, lengths } = placeTree(parseNewick(this.text));
    if (leaves > mostLeaves) throw new Error(`The tree has ${formatCount(leaves)} leaves, too many to draw here.`);
    const unit = room / (depth || 1);
    const longest = Math.min(
      60,
      Math.max(...nodes.map((n) => (n.node.children.length === 0 ? n.node.name.length : 0))),
    );
    const width = room + longest * letterWidth + 40;
    const height = leaves * rowHeight + 40;
    const at = (n: PlacedNode) => [12 + n.x * unit, 12 + (n.y + 0.5) * rowHeight] as const;
    const drawing = svg`${nodes.map((n) => this.drawNode(n, at))}${lengths ? drawScale(depth, unit, height) : nothing}`;
    return html`<div class="scroll" tabindex="0" role="region" aria-label="Tree">
      <svg viewBox="0 0 ${width} ${height}" ${styles({ '--width': `${width}px`, '--height': `${height}px` })} role="img"
        aria-label="Tree with ${leaves} leaves">${drawing}</svg></div>
      <p class="cut">${formatCount(leaves)} leaves${lengths ? '' : '; the file gives no branch lengths'}.</p>`;
  }

  private drawNode(n: PlacedNode, at: (n: PlacedNode) => readonly [number, number]) {
    const [x, y] = at(n);
    const [px, py] = n.parent ? at(n.parent) : [x - 8, y];
    const leaf = n.node.children.length === 0;
    const end = this.aligned ? 12 + room : x;
    const title = n.node.length === undefined ? n.node.name : `${n.node.name}\nBranch length ${n.node.length}`;
    return svg`<path class="branch" d="M${px} ${py}V${y}H${x}"><title>${title}</title></path>
      ${leaf && this.aligned && end > x ? svg`<line class="leader" x1=${x} x2=${end} y1=${y} y2=${y}></line>` : nothing}
      ${leaf ? svg`<text x=${end + 6} y=${y}>${n.node.name}</text>` : nothing}
      ${!leaf && this.support && n.node.name && n.parent ? svg`<text class="support" x=${x - 3} y=${y - 7} text-anchor="end">${n.node.name}</text>` : nothing}`;
  }

  override render() {
    let drawing: unknown;
    try {
      drawing = this.draw();
    } catch (error) {
      return html`<p>${(error as Error).message}</p><pre class="scroll">${this.text.slice(0, 20_000)}</pre>`;
    }
    return html`<div class="tools">
        <label><input type="checkbox" .checked=${this.support} @change=${() => {
          this.support = !this.support;
        }}> Support values</label>
        <label><input type="checkbox" .checked=${this.aligned} @change=${() => {
          this.aligned = !this.aligned;
        }}> Align names</label>
      </div>${drawing}`;
  }
}

function drawScale(depth: number, unit: number, height: number) {
  const rough = depth / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5, 10].find((m) => m * power >= rough) ?? 1) * power;
  const y = height - 16;
  return svg`<line class="scale" x1="12" x2=${12 + step * unit} y1=${y} y2=${y}></line>
    <text class="support" x=${18 + step * unit} y=${y}>${Number(step.toPrecision(2))}</text>`;
}

declare global {
  interface HTMLElementTagNameMap {
    'stint-tree-view': TreeView;
  }
}
