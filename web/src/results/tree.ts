// Shows a phylogenetic tree: it can be magnified, searched, folded, rooted elsewhere, and saved as it is shown.
import { css, html, LitElement, nothing } from 'lit';
import { customElement, property, query, state } from 'lit/decorators.js';
import { styles } from '../base/css-vars';
import { formatCount } from '../base/format';
import { saveFile } from '../base/save';
import { sharedStyles } from '../base/styles';
import { type PlacedNode, parseNewick, placeTree, type TreeNode } from './newick';
import { drawTree, type Look, nearest, type Placement } from './tree-drawing';
import { formatNewick, leafCounts, nodesOf, pathTo, reroot, sortedBySize } from './tree-ops';
import { treeSVG } from './tree-svg';
import { viewerStyles } from './viewer-styles';
import type { PickEvent, Surface, ZoomCanvas } from './zoom-canvas';
import './zoom-canvas';

const mostLeaves = 50_000;
const rowHeight = 20;

@customElement('stint-tree-view')
export class TreeView extends LitElement {
  static override styles = [
    sharedStyles,
    viewerStyles,
    css`
      .tools label { display: inline-flex; gap: 6px; align-items: center; }
      .chosen { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; margin: 0; min-height: 34px; }
      .chosen b { overflow-wrap: anywhere; }
    `,
  ];

  @property() text = '';
  @state() private support = true;
  @state() private aligned = false;
  @state() private sorted = false;
  @state() private word = '';
  @state() private chosen: TreeNode | undefined;
  @state() private folded: ReadonlySet<TreeNode> = new Set();
  /** The tree as it is rooted now, and the part of it that is shown. */
  @state() private root: TreeNode | undefined;
  @state() private alone: TreeNode | undefined;
  @state() private problem = '';
  @query('stint-zoom-canvas') private canvas!: ZoomCanvas;
  private read: TreeNode | undefined;
  private placement: Placement | undefined;
  private found: PlacedNode[] = [];

  override willUpdate(changed: Map<string, unknown>): void {
    if (changed.has('text')) this.reset();
    if (['text', 'root', 'alone', 'folded'].some((name) => changed.has(name))) this.place();
    if (['text', 'root', 'alone', 'folded', 'word'].some((name) => changed.has(name))) this.search();
  }

  private reset(): void {
    this.problem = '';
    this.root = undefined;
    this.sorted = false;
    try {
      this.read = parseNewick(this.text);
      this.take(this.read);
    } catch (error) {
      this.problem = (error as Error).message;
    }
  }

  // take shows another tree. What was chosen or folded in the one before is not in it.
  private take(root: TreeNode): void {
    this.root = root;
    this.alone = undefined;
    this.chosen = undefined;
    this.folded = new Set();
    this.word = '';
  }

  private place(): void {
    const top = this.alone ?? this.root;
    this.placement = undefined;
    if (!top) return;
    const counts = leafCounts(top);
    const placed = placeTree(top, this.folded);
    if (placed.leaves > mostLeaves) {
      this.problem = `The tree has ${formatCount(placed.leaves)} leaves, too many to draw here. Download it, and open it with a program for trees.`;
      return;
    }
    this.placement = { ...placed, counts, folded: this.folded };
  }

  // What is folded opens where a name in it is searched for.
  private search(): void {
    const word = this.word.trim().toLowerCase();
    const fits = (node: TreeNode) => node.name.toLowerCase().includes(word);
    if (word === '') this.found = [];
    else this.found = this.placement?.nodes.filter((p) => fits(p.node)) ?? [];
  }

  private onSearch(value: string): void {
    this.word = value;
    const word = value.trim().toLowerCase();
    const top = this.alone ?? this.root;
    if (word === '' || !top || this.folded.size === 0) return;
    const inside = [...this.folded].filter((node) => nodesOf(node).some((n) => n.name.toLowerCase().includes(word)));
    if (inside.length > 0) this.folded = new Set([...this.folded].filter((node) => !inside.includes(node)));
  }

  private next(): void {
    const at = this.found.findIndex((p) => p.node === this.chosen);
    const to = this.found[(at + 1) % this.found.length];
    if (!to || !this.placement) return;
    this.chosen = to.node;
    const { leaves } = this.placement;
    const around = Math.min(15, leaves / 2);
    this.canvas.show((to.y + 0.5 - around) / leaves, (to.y + 0.5 + around) / leaves);
  }

  private get look(): Look {
    return {
      support: this.support,
      aligned: this.aligned,
      chosen: this.chosen,
      found: new Set(this.found.map((p) => p.node)),
    };
  }

  private pick({ detail: { x, y, surface } }: PickEvent): void {
    if (this.placement) this.chosen = nearest(this.placement, surface, x, y)?.node;
  }

  private change(what: () => void): void {
    what();
    this.canvas.fit();
  }

  private toggleFold(node: TreeNode): void {
    const next = new Set(this.folded);
    if (!next.delete(node)) next.add(node);
    this.folded = next;
  }

  private toggleSorted(): void {
    if (!this.root) return;
    if (this.sorted) this.reset();
    else {
      this.take(sortedBySize(this.root));
      this.sorted = true;
    }
  }

  private renderChosen(top: TreeNode) {
    const node = this.chosen;
    if (!node)
      return html`<p class="chosen quiet-text">Click a branch or a name to fold it, show it alone or root the tree there.</p>`;
    const leaf = node.children.length === 0;
    const leaves = leafCounts(node).get(node) ?? 1;
    const words = [
      leaf ? '' : `${formatCount(leaves)} leaves`,
      node.length === undefined ? '' : `branch length ${node.length}`,
    ].filter((w) => w !== '');
    const parent = pathTo(top, node).at(-2);
    return html`<p class="chosen"><b>${node.name || 'Branch'}</b><span class="quiet-text">${words.join(', ')}</span>
      ${leaf ? nothing : html`<button class="button" @click=${() => this.toggleFold(node)}>${this.folded.has(node) ? 'Unfold' : 'Fold'}</button>`}
      ${
        leaf || node === top
          ? nothing
          : html`<button class="button" @click=${() =>
              this.change(() => {
                this.alone = node;
              })}>Show alone</button>`
      }
      ${
        node === top || this.alone
          ? nothing
          : html`<button class="button" @click=${() => this.change(() => this.root && this.take(reroot(this.root, node)))}>Root here</button>`
      }
      ${
        parent
          ? html`<button class="button" @click=${() => {
              this.chosen = parent;
            }}>Its parent</button>`
          : nothing
      }</p>`;
  }

  private renderSearch() {
    const n = this.found.length;
    return html`<input class="input" type="search" placeholder="Find a name" aria-label="Find a name" .value=${this.word}
        @input=${(e: Event) => this.onSearch((e.target as HTMLInputElement).value)} @keydown=${(e: KeyboardEvent) => e.key === 'Enter' && this.next()}>
      ${
        this.word.trim() === ''
          ? nothing
          : html`<span class="quiet-text" role="status">${formatCount(n)} found</span>
            <button class="button" ?disabled=${n === 0} @click=${this.next}>Next</button>`
      }`;
  }

  private renderTick(words: string, on: boolean, toggle: () => void) {
    return html`<label><input type="checkbox" .checked=${on} @change=${toggle}> ${words}</label>`;
  }

  override render() {
    const { placement } = this;
    const top = this.alone ?? this.root;
    if (!placement || !top) return html`<p>${this.problem}</p><pre class="scroll">${this.text.slice(0, 20_000)}</pre>`;
    const { look } = this;
    const { leaves, lengths, counts } = placement;
    const all = counts.get(top) ?? leaves;
    const paint = (surface: Surface) => drawTree(placement, look, surface);
    const original = this.root === this.read && !this.alone && this.folded.size === 0;
    return html`<div class="tools">${this.renderSearch()}
        ${this.renderTick('Support values', this.support, () => {
          this.support = !this.support;
        })}
        ${this.renderTick('Align names', this.aligned, () => {
          this.aligned = !this.aligned;
        })}
        ${this.renderTick('Small branches first', this.sorted, () => this.change(() => this.toggleSorted()))}
        ${original ? nothing : html`<button class="button" @click=${() => this.change(() => this.reset())}>As in the file</button>`}
        <span class="grow"></span>
        <button class="button" @click=${() => saveFile('tree.svg', 'image/svg+xml', treeSVG(placement, look))}>Save as SVG</button>
        <button class="button" @click=${() => saveFile('tree.nwk', 'text/plain', formatNewick(top))}>Save as Newick</button>
      </div>
      <stint-zoom-canvas axis="y" .paint=${paint} most=${Math.max(1, (leaves * rowHeight) / 200)} label="Tree with ${formatCount(all)} leaves"
        ${styles({ '--canvas-height': `min(var(--viewer-height, 60vh), ${leaves * rowHeight + 50}px)` })} @pick=${this.pick}>${this.renderChosen(top)}</stint-zoom-canvas>
      <p class="cut">${formatCount(all)} leaves${leaves < all ? `, drawn as ${formatCount(leaves)}` : ''}${lengths ? '' : '; the file gives no branch lengths'}.</p>`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'stint-tree-view': TreeView;
  }
}
