// Chooses the columns: which, in which order, how wide. Dragging in the table's header does the last two as well.
import { css, html, LitElement } from 'lit';
import { customElement, property } from 'lit/decorators.js';
import { icon } from '../base/icons';
import { sharedStyles } from '../base/styles';
import { type Column, type ColumnId, columnIds, columnSpecs, defaultColumns, fitWidth } from './columns';

@customElement('stint-column-menu')
export class ColumnMenu extends LitElement {
  static override styles = [
    sharedStyles,
    css`
      :host { position: relative; display: inline-block; }
      .menu {
        position: fixed;
        inset: auto;
        margin: 4px 0 0;
        padding: 8px;
        width: 310px;
        max-height: min(520px, 80dvh);
        overflow: auto;
        color: inherit;
        background: var(--stint-surface);
        border: 1px solid var(--stint-border);
        border-radius: 8px;
        box-shadow: var(--stint-shadow-2);
      }
      ul { list-style: none; margin: 0; padding: 0; }
      li { display: flex; align-items: center; gap: 2px; padding: 1px 4px; border-radius: 4px; }
      li:hover { background: var(--stint-hover); }
      label { flex: 1; display: flex; align-items: center; gap: 8px; min-height: 32px; }
      li .button { min-height: 28px; padding: 0 5px; }
      label input { accent-color: var(--stint-accent); }
      li .icon { width: 15px; height: 15px; }
      .foot { display: flex; justify-content: space-between; gap: 8px; padding: 8px 4px 2px; border-top: 1px solid var(--stint-border); margin-top: 6px; }
    `,
  ];

  @property({ attribute: false }) columns: Column[] = [];
  @property({ type: Boolean }) relative = false;

  private set(columns: Column[]): void {
    this.dispatchEvent(new CustomEvent('columns', { detail: columns }));
  }

  private toggle(id: ColumnId): void {
    if (!this.columns.some((c) => c.id === id)) this.set([...this.columns, { id }]);
    else if (this.columns.length > 1) this.set(this.columns.filter((c) => c.id !== id));
    else this.requestUpdate();
  }

  private move(id: ColumnId, by: number): void {
    const at = this.columns.findIndex((c) => c.id === id);
    const column = this.columns[at];
    if (!column || at + by < 0) return;
    const next = this.columns.filter((c) => c.id !== id);
    next.splice(at + by, 0, column);
    this.set(next);
  }

  private widen(id: ColumnId, by: number): void {
    this.set(
      this.columns.map((c) => (c.id === id ? { id, width: fitWidth((c.width ?? columnSpecs[id].width) + by) } : c)),
    );
  }

  private open(event: Event): void {
    const button = event.currentTarget as HTMLElement;
    const menu = this.renderRoot.querySelector<HTMLElement>('.menu');
    if (!menu) return;
    menu.togglePopover();
    const { right, bottom } = button.getBoundingClientRect();
    menu.style.setProperty('left', `${Math.max(8, right - menu.offsetWidth)}px`);
    menu.style.setProperty('top', `${bottom}px`);
  }

  private renderRow(id: ColumnId) {
    const { label } = columnSpecs[id];
    const at = this.columns.findIndex((c) => c.id === id);
    const small = (name: string, sign: 'up' | 'down' | 'left' | 'right', off: boolean, run: () => void) =>
      html`<button class="button quiet" ?disabled=${off} aria-label=${name} title=${name} @click=${run}>${icon(sign)}</button>`;
    return html`<li data-column=${id}><label><input type="checkbox" .checked=${at >= 0} @change=${() => this.toggle(id)}>${label}</label>
      ${
        at < 0
          ? ''
          : html`${small(`Make ${label} narrower`, 'left', false, () => this.widen(id, -16))}
          ${small(`Make ${label} wider`, 'right', false, () => this.widen(id, 16))}
          ${small(`Move ${label} towards the front`, 'up', at === 0, () => this.move(id, -1))}
          ${small(`Move ${label} towards the end`, 'down', at === this.columns.length - 1, () => this.move(id, 1))}`
      }</li>`;
  }

  override render() {
    const shown = this.columns.map((c) => c.id);
    const hidden = columnIds.filter((id) => !shown.includes(id));
    return html`<button class="button quiet" aria-haspopup="dialog" title="Choose columns" @click=${this.open}>${icon('columns')}Columns</button>
      <div class="menu" popover role="dialog" aria-label="Columns">
        <ul>${[...shown, ...hidden].map((id) => this.renderRow(id))}</ul>
        <div class="foot">
          <label><input type="checkbox" .checked=${this.relative}
            @change=${(e: Event) => this.dispatchEvent(new CustomEvent('relative', { detail: (e.target as HTMLInputElement).checked }))}>Times relative to now</label>
          <button class="button quiet" @click=${() => this.set(defaultColumns)}>As usual</button>
        </div>
      </div>`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'stint-column-menu': ColumnMenu;
  }
}
