// The vertical bar of what can be done with what is selected. An action that
// makes no sense now stays reachable and says why: it is not removed, so that nothing jumps.
import { css, html, LitElement } from 'lit';
import { customElement, property } from 'lit/decorators.js';
import { type IconName, icon } from './icons';
import { sharedStyles } from './styles';
import { toast } from './toast';

export interface Action {
  id: string;
  label: string;
  icon: IconName;
  /** What it does, as the tooltip says. */
  hint: string;
  /** Why it cannot be done now. Without it, it can. */
  unavailable?: string | undefined;
  danger?: boolean;
  run: () => unknown;
}

@customElement('stint-action-bar')
export class ActionBar extends LitElement {
  static override styles = [
    sharedStyles,
    css`
      :host { display: block; }
      .bar { display: flex; flex-direction: column; gap: 4px; padding: 6px; }
      button {
        display: grid;
        justify-items: center;
        gap: 3px;
        width: 72px;
        padding: 8px 2px 6px;
        font: inherit;
        font-size: 0.8rem;
        line-height: 1.15;
        color: var(--stint-accent);
        background: none;
        border: 1px solid transparent;
        border-radius: var(--stint-radius);
        cursor: pointer;
      }
      button span { color: var(--stint-text); }
      button .icon { width: 20px; height: 20px; }
      button:hover:not([aria-disabled="true"]) { background: var(--stint-accent-2); border-color: var(--stint-accent); }
      button.danger { color: var(--stint-danger); }
      button.danger:hover:not([aria-disabled="true"]) { background: var(--stint-failed-bg); border-color: var(--stint-danger); }
      button[aria-disabled="true"], button[aria-disabled="true"] span { color: var(--stint-text-2); cursor: default; }
      button[aria-disabled="true"] .icon { opacity: 0.55; }
      button[data-action="details"] { margin-top: 10px; }
      @media (min-width: 721px) and (max-height: 520px) {
        .bar { display: grid; grid-template-columns: 1fr 1fr; }
        button[data-action="details"] { margin: 0; }
      }
      @media (max-width: 720px) {
        .bar { flex-direction: row; padding: 4px; gap: 0; }
        button { flex: 1 1 0; width: auto; min-width: 0; overflow-wrap: anywhere; hyphens: auto; }
      }
    `,
  ];

  /** What the bar is for, for screen readers. */
  @property() override ariaLabel = 'Actions';
  @property({ attribute: false }) actions: readonly Action[] = [];
  private current = 0;

  private run(action: Action): void {
    if (action.unavailable) toast(`${action.label}: ${action.unavailable}`);
    else void action.run();
  }

  // Arrow keys walk, as in every toolbar; Tab leaves it.
  private onKey(event: KeyboardEvent): void {
    const step = { ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 }[event.key];
    const edge = { Home: 0, End: this.actions.length - 1 }[event.key];
    if (step === undefined && edge === undefined) return;
    event.preventDefault();
    this.current = edge ?? (this.current + (step ?? 0) + this.actions.length) % this.actions.length;
    this.requestUpdate();
    void this.updateComplete.then(() => this.renderRoot.querySelectorAll('button')[this.current]?.focus());
  }

  override render() {
    if (this.current >= this.actions.length) this.current = 0;
    return html`<div class="bar" role="toolbar" aria-label=${this.ariaLabel} aria-orientation="vertical" @keydown=${this.onKey}>
      ${this.actions.map(
        (
          a,
          i,
        ) => html`<button class=${a.danger ? 'danger' : ''} data-action=${a.id} tabindex=${i === this.current ? 0 : -1}
          aria-disabled=${a.unavailable ? 'true' : 'false'} title=${a.unavailable ? `${a.hint} – ${a.unavailable}` : a.hint}
          @focus=${() => {
            this.current = i;
          }} @click=${() => this.run(a)}>${icon(a.icon)}<span>${a.label}</span></button>`,
      )}
    </div>`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'stint-action-bar': ActionBar;
  }
}
