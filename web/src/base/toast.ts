// Short messages at the lower edge. They go by themselves, but not while the
// pointer or the focus is on them, and errors stay until they are closed.
import { css, html, LitElement } from 'lit';
import { customElement, state } from 'lit/decorators.js';
import { icon } from './icons';
import { sharedStyles } from './styles';

export interface ToastOptions {
  kind?: 'info' | 'success' | 'error';
  /** A link below the words. */
  link?: { href: string; text: string };
}

interface Shown extends ToastOptions {
  key: number;
  words: string;
}

const staysMillis = 6000;

@customElement('stint-toasts')
export class Toasts extends LitElement {
  static override styles = [
    sharedStyles,
    css`
      :host {
        position: fixed;
        z-index: 90;
        left: 16px;
        bottom: 16px;
        width: min(420px, calc(100vw - 32px));
        display: grid;
        gap: 8px;
        pointer-events: none;
      }
      .toast {
        pointer-events: auto;
        display: grid;
        grid-template-columns: 1fr auto;
        gap: 4px 8px;
        align-items: start;
        padding: 10px 8px 10px 14px;
        background: var(--stint-surface);
        border: 1px solid var(--stint-border);
        border-left: 4px solid var(--stint-accent);
        border-radius: var(--stint-radius);
        box-shadow: var(--stint-shadow-2);
        overflow-wrap: anywhere;
      }
      .toast.error { border-left-color: var(--stint-danger); }
      .toast.success { border-left-color: var(--stint-completed); }
      .words { padding: 3px 0; white-space: pre-line; }
      .button { min-height: 28px; padding: 0 6px; }
    `,
  ];

  @state() private shown: Shown[] = [];
  private next = 1;
  private held = false;

  /** Shows a message. */
  show(words: string, options: ToastOptions = {}): void {
    const key = this.next++;
    this.shown = [...this.shown.slice(-3), { ...options, key, words }];
    if (options.kind !== 'error') this.expire(key);
  }

  private expire(key: number): void {
    setTimeout(() => (this.held ? this.expire(key) : this.close(key)), staysMillis);
  }

  private close(key: number): void {
    this.shown = this.shown.filter((t) => t.key !== key);
    if (this.shown.length === 0) this.held = false;
  }

  private hold = (event: Event) => {
    this.held = event.type === 'pointerenter' || event.type === 'focusin';
  };

  override render() {
    return html`<div role="status" aria-live="polite" @pointerenter=${this.hold} @pointerleave=${this.hold}
        @focusin=${this.hold} @focusout=${this.hold}>
      ${this.shown.map(
        (t) => html`<div class="toast ${t.kind ?? 'info'}">
          <div class="words">${t.words}${t.link ? html` <a href=${t.link.href}>${t.link.text}</a>` : ''}</div>
          <button class="button quiet" aria-label="Close message" @click=${() => this.close(t.key)}>${icon('close')}</button>
        </div>`,
      )}
    </div>`;
  }
}

/** Shows a message at the lower edge of the page. */
export function toast(words: string, options: ToastOptions = {}): void {
  let host = document.querySelector('stint-toasts');
  if (!host) {
    host = document.createElement('stint-toasts');
    document.body.append(host);
  }
  host.show(words, options);
}

declare global {
  interface HTMLElementTagNameMap {
    'stint-toasts': Toasts;
  }
}
