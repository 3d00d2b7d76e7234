// Questions that must be answered before anything else. The native dialog keeps
// the focus inside, closes on Escape and gives the focus back.
import { css, html, LitElement, nothing, type TemplateResult } from 'lit';
import { customElement, property, query } from 'lit/decorators.js';
import { dropDraft, keepDraft, readDraft } from './drafts';
import { icon } from './icons';
import { sharedStyles } from './styles';

/** A dialog with a title, its content in the default slot and its buttons in the slot `actions`. Fires `close`. */
@customElement('stint-dialog')
export class Dialog extends LitElement {
  static override styles = [
    sharedStyles,
    css`
      dialog {
        width: min(var(--stint-dialog-width, 480px), calc(100vw - 24px));
        max-height: calc(100dvh - 24px);
        padding: 0;
        border: 1px solid var(--stint-border);
        border-radius: 10px;
        background: var(--stint-surface);
        color: var(--stint-text);
        box-shadow: var(--stint-shadow-2);
      }
      dialog::backdrop { background: rgb(0 0 0 / 45%); }
      .head { display: flex; align-items: center; gap: 12px; padding: 16px 12px 8px 20px; }
      .head h2 { flex: 1; overflow-wrap: anywhere; }
      .body { padding: 0 20px 16px; overflow-wrap: anywhere; }
      .foot { display: flex; flex-wrap: wrap; justify-content: flex-end; gap: 8px; padding: 12px 20px; border-top: 1px solid var(--stint-border); }
    `,
  ];

  /** What it is about. It names the dialog to screen readers. */
  @property() override title = '';
  @query('dialog') private dialog!: HTMLDialogElement;

  async open(): Promise<void> {
    await this.updateComplete;
    this.dialog.showModal();
  }

  close(): void {
    this.dialog.close();
  }

  override render() {
    return html`<dialog aria-labelledby="title" @close=${() => this.dispatchEvent(new Event('close'))}>
      <div class="head"><h2 id="title">${this.title}</h2>
        <button class="button quiet" aria-label="Close" @click=${() => this.close()}>${icon('close')}</button></div>
      <div class="body"><slot></slot></div>
      <div class="foot"><slot name="actions"></slot></div>
    </dialog>`;
  }
}

export interface Question {
  title: string;
  body?: string | TemplateResult;
  /** The word on the button that goes ahead. */
  confirm: string;
  danger?: boolean;
  /** A line of text to ask for, with what must be said about it. */
  text?: {
    label: string;
    required?: boolean;
    maxLength?: number;
    rows?: number;
    /** The name to keep the text under until it is sent. */
    draft?: string;
  };
}

@customElement('stint-question')
class QuestionDialog extends LitElement {
  static override styles = [
    sharedStyles,
    css`
      label { display: grid; gap: 4px; margin-top: 12px; font-weight: 550; }
      textarea { font-weight: 400; resize: vertical; width: 100%; }
    `,
  ];

  @property({ attribute: false }) question: Question = { title: '', confirm: 'OK' };
  @property({ attribute: false }) answer: (text: string | undefined) => void = () => {};
  @query('stint-dialog') private dialog!: Dialog;
  @query('textarea') private area!: HTMLTextAreaElement | null;
  private given: string | undefined;

  override firstUpdated(): void {
    void this.dialog.open().then(() => this.area?.focus());
  }

  private goAhead(): void {
    if (this.area && !this.area.reportValidity()) return;
    this.given = this.area?.value.trim() ?? '';
    if (this.question.text?.draft) dropDraft(this.question.text.draft);
    this.dialog.close();
  }

  override render() {
    const q = this.question;
    return html`<stint-dialog .title=${q.title} @close=${() => this.answer(this.given)}>
      ${q.body ?? nothing}
      ${
        q.text
          ? html`<label>${q.text.label}
            <textarea class="input" rows=${q.text.rows ?? 2} maxlength=${q.text.maxLength ?? 500} ?required=${q.text.required}
              .value=${q.text.draft ? (readDraft<string>(q.text.draft) ?? '') : ''}
              @input=${(e: Event) => q.text?.draft && keepDraft(q.text.draft, (e.target as HTMLTextAreaElement).value)}></textarea></label>`
          : nothing
      }
      <button slot="actions" class="button" @click=${() => this.dialog.close()}>Not now</button>
      <button slot="actions" class="button ${q.danger ? 'danger' : 'primary'}" @click=${() => this.goAhead()}>${q.confirm}</button>
    </stint-dialog>`;
  }
}

/** Asks a question. Answers undefined when the user backs out, else the text, which is empty where none was asked for. */
export function ask(question: Question): Promise<string | undefined> {
  const element = document.createElement('stint-question') as QuestionDialog;
  element.question = question;
  return new Promise((resolve) => {
    element.answer = (text) => {
      element.remove();
      resolve(text);
    };
    document.body.append(element);
  });
}

declare global {
  interface HTMLElementTagNameMap {
    'stint-dialog': Dialog;
  }
}
