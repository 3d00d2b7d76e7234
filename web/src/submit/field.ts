// A field for one parameter of a service, whatever its type; groups and lists hold fields of their own.
import { html, LitElement, nothing, type TemplateResult } from 'lit';
import { customElement, property, state } from 'lit/decorators.js';
import { icon } from '../base/icons';
import { sharedStyles } from '../base/styles';
import type { ParameterJson } from '../gen/stint/catalog/v1/catalog_service_pb';
import { type Draft, singleDraft } from './draft';
import { fieldStyles } from './field-styles';
import './file-field';

/** What a field says when its value changed. */
export class DraftEvent extends Event {
  constructor(readonly draft: Draft) {
    super('draft');
  }
}

@customElement('stint-field')
export class Field extends LitElement {
  static override styles = [sharedStyles, fieldStyles];

  @property({ attribute: false }) spec: ParameterJson = {};
  @property({ attribute: false }) draft: Draft = '';
  /** Its place, as violations name it: `parameters.library[0].name`. */
  @property({ reflect: true }) path = '';
  /** What the server found wrong, by place. */
  @property({ attribute: false }) errors: ReadonlyMap<string, string> = new Map();
  @state() private inLines = false;
  /** Whether this is one entry of a list, which has the label. */
  @property({ type: Boolean }) entry = false;

  /** Puts the focus on the field at a place. Answers whether it is here. */
  focusPath(path: string): boolean {
    if (!path.startsWith(this.path)) return false;
    for (const inner of this.renderRoot.querySelectorAll('stint-field')) if (inner.focusPath(path)) return true;
    const target = this.renderRoot.querySelector<HTMLElement>('input, select, textarea, stint-file-field, button');
    target?.focus();
    target?.scrollIntoView({ block: 'center' });
    return target !== null;
  }

  private change(draft: Draft): void {
    this.dispatchEvent(new DraftEvent(draft));
  }

  private get list(): boolean {
    return this.spec.multiple === true && !this.entry;
  }

  private onText(event: Event): void {
    this.change((event.target as HTMLInputElement).value);
  }

  // An input cannot hold several lines. What has them goes into an area, and stays there.
  private onPaste(event: ClipboardEvent): void {
    this.takeLines(event, event.clipboardData?.getData('text/plain') ?? '');
  }

  private onDropText(event: DragEvent): void {
    this.takeLines(event, event.dataTransfer?.getData('text/plain') ?? '');
  }

  private onKey(event: KeyboardEvent): void {
    if (event.key === 'Enter' && event.shiftKey) this.takeLines(event, '\n');
  }

  private takeLines(event: Event, text: string): void {
    const lines = text.replace(/\r\n?/g, '\n');
    if (!lines.includes('\n')) return;
    event.preventDefault();
    const input = event.currentTarget as HTMLInputElement;
    const [from, to] = [input.selectionStart ?? input.value.length, input.selectionEnd ?? input.value.length];
    this.inLines = true;
    this.change(input.value.slice(0, from) + lines + input.value.slice(to));
    void this.updateComplete.then(async () => {
      await this.updateComplete;
      const area = this.renderRoot.querySelector('textarea');
      area?.focus();
      area?.setSelectionRange(from + lines.length, from + lines.length);
    });
  }

  private renderError(path = this.path) {
    const error = this.errors.get(path);
    return error ? html`<p class="error" id="error">${sentence(error)}</p>` : nothing;
  }

  private renderHelp() {
    const { description, type, min, max } = this.spec;
    const text = type === undefined || type === 'PARAMETER_TYPE_STRING';
    const unit = text ? ' characters' : '';
    const bounds =
      min !== undefined && max !== undefined
        ? `From ${Number(min).toLocaleString()} to ${Number(max).toLocaleString()}${unit}.`
        : min !== undefined
          ? `At least ${Number(min).toLocaleString()}${unit}.`
          : max !== undefined
            ? `At most ${Number(max).toLocaleString()}${unit}.`
            : '';
    if (!description && !bounds) return nothing;
    return html`<p class="help" id="help">${description} ${bounds}</p>`;
  }

  private get described(): string {
    return this.errors.has(this.path) ? 'help error' : 'help';
  }

  private renderLabel() {
    if (this.entry) return nothing;
    return html`<label for="input">${this.spec.label || this.spec.id}${this.spec.required ? html` <span class="required" aria-hidden="true">*</span>` : nothing}</label>`;
  }

  private renderInput(): TemplateResult {
    const { spec } = this;
    const invalid = this.errors.has(this.path) ? 'true' : 'false';
    const value = String(this.draft);
    const name = this.entry ? spec.label || spec.id || '' : nothing;
    switch (spec.type) {
      case 'PARAMETER_TYPE_ENUM':
        return html`<select id="input" class="select" aria-label=${name} aria-invalid=${invalid} aria-describedby=${this.described}
          aria-required=${spec.required ? 'true' : 'false'} @change=${this.onText}>
          ${spec.required && value !== '' ? nothing : html`<option value="" ?selected=${value === ''}>${spec.required ? 'Choose…' : '–'}</option>`}
          ${this.choices(value).map((v) => html`<option value=${v} ?selected=${v === value}>${v}</option>`)}</select>`;
      case 'PARAMETER_TYPE_FILE':
      case 'PARAMETER_TYPE_FOLDER':
        return html`<stint-file-field id="input" .spec=${spec} .value=${value} .invalid=${invalid === 'true'} label=${spec.label || spec.id || ''}
          @value=${(e: CustomEvent<string>) => this.change(e.detail)}></stint-file-field>`;
      default: {
        const number = spec.type === 'PARAMETER_TYPE_INTEGER' || spec.type === 'PARAMETER_TYPE_NUMBER';
        if (!number && (this.inLines || /[\r\n]/.test(value)))
          return html`<textarea id="input" class="input" rows=${Math.min(12, Math.max(2, value.split('\n').length))} .value=${value} autocomplete="off"
            spellcheck="false" aria-label=${name} aria-invalid=${invalid} aria-describedby=${this.described} aria-required=${spec.required ? 'true' : 'false'} @input=${this.onText}></textarea>`;
        return html`<input id="input" class="input ${number ? 'number' : ''}" .value=${value} inputmode=${number ? 'decimal' : 'text'} autocomplete="off"
          spellcheck="false" aria-label=${name} aria-invalid=${invalid} aria-describedby=${this.described} aria-required=${spec.required ? 'true' : 'false'} @input=${this.onText}
          @paste=${number ? nothing : this.onPaste} @drop=${number ? nothing : this.onDropText} @keydown=${number ? nothing : this.onKey}>`;
      }
    }
  }

  // A rerun may have a value that the service no longer offers: it is shown, and the server says so.
  private choices(value: string): string[] {
    const choices = this.spec.enumValues ?? [];
    return value === '' || choices.includes(value) ? choices : [...choices, value];
  }

  private renderList() {
    const { spec } = this;
    const drafts = Array.isArray(this.draft) ? this.draft : [];
    return html`<fieldset><legend>${spec.label || spec.id}${spec.required ? html` <span class="required" aria-hidden="true">*</span>` : nothing}</legend>
      ${this.renderHelp()} ${this.renderError()}
      <div class="entries" ?hidden=${drafts.length === 0}>${drafts.map(
        (draft, i) => html`<div class="entry">
          <stint-field entry .spec=${spec} .draft=${draft} path="${this.path}[${i}]" .errors=${this.errors}
            @draft=${(e: DraftEvent) => this.change(drafts.with(i, e.draft))}></stint-field>
          <button type="button" class="button quiet" aria-label="Remove entry ${i + 1} of ${spec.label || spec.id}" @click=${() => this.change(drafts.toSpliced(i, 1))}>${icon('trash')}</button>
        </div>`,
      )}</div>
      <div><button type="button" class="button" data-add=${this.path} @click=${() => this.change([...drafts, singleDraft(spec)])}>${icon('plus')} Add</button></div>
    </fieldset>`;
  }

  private renderGroup() {
    const parts = this.draft as Record<string, Draft>;
    return html`<fieldset>
      <legend>${this.spec.label || this.spec.id}</legend>${this.entry ? nothing : this.renderHelp()} ${this.renderError()}
      ${(this.spec.group ?? []).map((part) => {
        const name = part.id ?? '';
        return html`<stint-field .spec=${part} .draft=${parts[name] ?? ''} path="${this.path}.${name}" .errors=${this.errors}
          @draft=${(e: DraftEvent) => this.change({ ...parts, [name]: e.draft })}></stint-field>`;
      })}</fieldset>`;
  }

  override render() {
    const { spec } = this;
    if (this.list) return this.renderList();
    if (spec.type === 'PARAMETER_TYPE_GROUP') return this.renderGroup();
    if (spec.type === 'PARAMETER_TYPE_BOOLEAN') {
      return html`<div class="field"><label class="check"><input type="checkbox" .checked=${this.draft === true} aria-describedby=${this.described}
        @change=${(e: Event) => this.change((e.target as HTMLInputElement).checked)}> ${spec.label || spec.id}</label>
        ${this.renderHelp()} ${this.renderError()}</div>`;
    }
    return html`<div class="field">${this.renderLabel()}${this.renderInput()}${this.entry ? nothing : this.renderHelp()}${this.renderError()}</div>`;
  }
}

/** What the server says of a field follows its name there; here it stands alone. */
export function sentence(text: string): string {
  const plain = text.replace(/^is required: .*$/, 'is required').trim();
  return `${plain.charAt(0).toUpperCase()}${plain.slice(1)}${/[.!?]$/.test(plain) ? '' : '.'}`;
}

declare global {
  interface HTMLElementTagNameMap {
    'stint-field': Field;
  }
}
