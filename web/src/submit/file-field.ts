// A field for a path of the workspace: typed, chosen, uploaded or dropped onto it.
import { html, LitElement, nothing } from 'lit';
import { customElement, property, query, state } from 'lit/decorators.js';
import { icon } from '../base/icons';
import { sharedStyles } from '../base/styles';
import { transfers } from '../base/transfers';
import type { ParameterJson } from '../gen/stint/catalog/v1/catalog_service_pb';
import { droppedFiles } from '../workspace/files';
import { parentOf } from '../workspace/paths';
import { pick } from '../workspace/picker';
import { fieldStyles } from './field-styles';
import '../workspace/uploads';

/** Where uploads from forms go. The command line uses the same folder. */
const uploadFolder = '/uploads';

@customElement('stint-file-field')
export class FileField extends LitElement {
  static override styles = [sharedStyles, fieldStyles];

  @property({ attribute: false }) spec: ParameterJson = {};
  @property({ attribute: false }) value = '';
  @property({ attribute: false }) invalid = false;
  @property() label = '';
  @state() private over = false;
  @state() private uploads: readonly number[] = [];
  @query('input[type=text]') private text!: HTMLInputElement;
  @query('input[type=file]') private chooser!: HTMLInputElement;
  override focus(): void {
    this.text.focus();
  }

  private give(value: string): void {
    this.dispatchEvent(new CustomEvent('value', { detail: value }));
  }

  private async choose(): Promise<void> {
    const folder = this.spec.type === 'PARAMETER_TYPE_FOLDER';
    const path = await pick({
      title: `Choose ${folder ? 'a folder' : 'a file'} for ${this.label}`,
      folder,
      extensions: this.spec.extensions ?? [],
      start: folder ? this.value : parentOf(this.value),
    });
    if (path !== undefined) this.give(path);
  }

  private async upload(files: File[]): Promise<void> {
    const { keys, stored } = transfers.add(uploadFolder, files.slice(0, 1));
    this.uploads = keys;
    const path = (await stored)[0]?.path;
    // A form that was left has a draft of its own; the tray says where the file is.
    if (path && this.isConnected) this.give(path);
  }

  private onDrop(event: DragEvent): void {
    event.preventDefault();
    this.over = false;
    void this.upload(droppedFiles(event));
  }

  override render() {
    const folder = this.spec.type === 'PARAMETER_TYPE_FOLDER';
    const kinds = this.spec.extensions ?? [];
    return html`<div class="file ${this.over ? 'over' : ''}" @dragover=${(e: DragEvent) => {
      e.preventDefault();
      this.over = true;
    }} @dragleave=${() => {
      this.over = false;
    }} @drop=${this.onDrop}>
      <input type="text" class="input" .value=${this.value} placeholder=${folder ? '/a/folder' : '/a/file'} autocomplete="off" spellcheck="false"
        aria-label="${this.label}, path in the workspace" aria-invalid=${this.invalid ? 'true' : 'false'}
        @input=${(e: Event) => this.give((e.target as HTMLInputElement).value)}>
      <button type="button" class="button" @click=${this.choose}>${icon('folder')} Choose</button>
      ${
        folder
          ? nothing
          : html`<button type="button" class="button" @click=${() => this.chooser.click()}>${icon('upload')} Upload</button>
            <input type="file" hidden aria-label="File to upload for ${this.label}" @change=${(e: Event) => {
              void this.upload([...((e.target as HTMLInputElement).files ?? [])]);
              (e.target as HTMLInputElement).value = '';
            }}>
            <p>${kinds.length > 0 ? `${kinds.join(', ')}. ` : ''}A file can also be dropped here; it goes to ${uploadFolder}.</p>`
      }
      <stint-uploads .keys=${this.uploads}></stint-uploads>
    </div>`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'stint-file-field': FileField;
  }
}
