// Asks for a file or a folder of the workspace.
import { css, html, LitElement, nothing } from 'lit';
import { customElement, property, query, state } from 'lit/decorators.js';
import type { Dialog } from '../base/dialog';
import { formatBytes, formatTime } from '../base/format';
import { icon } from '../base/icons';
import { sharedStyles } from '../base/styles';
import { transfers } from '../base/transfers';
import type { WorkspaceEntryJson } from '../gen/stint/workspace/v1/workspace_service_pb';
import { listFolder } from './files';
import { baseName } from './paths';
import '../base/dialog';
import './uploads';

export interface PickOptions {
  title: string;
  /** Whether a folder is wanted, and no file. */
  folder?: boolean;
  /** Endings of names that make sense; others are shown on wish. */
  extensions?: readonly string[];
  /** Where to begin. */
  start?: string;
}

@customElement('stint-file-picker')
class FilePicker extends LitElement {
  static override styles = [
    sharedStyles,
    css`
      stint-dialog { --stint-dialog-width: 640px; }
      nav { display: flex; flex-wrap: wrap; gap: 2px; align-items: center; margin-bottom: 8px; }
      nav .button { min-height: 28px; }
      ul { list-style: none; margin: 0; padding: 0; height: min(46vh, 380px); overflow: auto; border: 1px solid var(--stint-border); border-radius: var(--stint-radius); }
      li button { display: grid; grid-template-columns: auto 1fr auto auto; gap: 10px; align-items: center; width: 100%; padding: 7px 12px; font: inherit; color: inherit; text-align: left; background: none; border: 0; border-bottom: 1px solid var(--stint-border); cursor: pointer; }
      li button:hover { background: var(--stint-hover); }
      li button:focus-visible { outline-offset: -2px; }
      li span { overflow-wrap: anywhere; }
      li small { color: var(--stint-text-2); white-space: nowrap; }
      .empty { padding: 20px; text-align: center; color: var(--stint-text-2); }
      .more { display: flex; flex-wrap: wrap; gap: 8px 16px; align-items: center; margin-top: 8px; }
    `,
  ];

  @property({ attribute: false }) options: PickOptions = { title: '' };
  @property({ attribute: false }) answer: (path: string | undefined) => void = () => {};
  @state() private folder = '';
  @state() private entries: WorkspaceEntryJson[] | undefined;
  @state() private problem = '';
  @state() private all = false;
  @state() private uploads: readonly number[] = [];
  @query('stint-dialog') private dialog!: Dialog;
  private given: string | undefined;
  private life = new AbortController();

  override firstUpdated(): void {
    void this.dialog.open();
    void this.show(this.options.start ?? '');
  }

  private async show(folder: string): Promise<void> {
    this.folder = folder;
    this.problem = '';
    try {
      const { entries } = await listFolder(folder, '', this.life.signal);
      if (this.folder === folder) this.entries = entries ?? [];
    } catch (error) {
      if (this.life.signal.aborted) return;
      // The folder to begin in may not be there yet.
      if (folder !== '' && this.entries === undefined) return this.show('');
      this.problem = (error as Error).message;
    }
  }

  private take(path: string): void {
    this.given = path;
    this.dialog.close();
  }

  private async upload(event: Event): Promise<void> {
    const input = event.target as HTMLInputElement;
    const files = [...(input.files ?? [])];
    input.value = '';
    const { keys, stored } = transfers.add(this.folder, files);
    this.uploads = keys;
    const [only] = await stored;
    if (!this.isConnected) return;
    if (files.length === 1 && only?.path && !this.options.folder) this.take(only.path);
    else await this.show(this.folder);
  }

  private get visible(): WorkspaceEntryJson[] {
    const { folder, extensions = [] } = this.options;
    return (this.entries ?? []).filter((entry) => {
      if (entry.folder) return true;
      if (folder) return false;
      return this.all || extensions.length === 0 || extensions.some((end) => entry.path?.toLowerCase().endsWith(end));
    });
  }

  private renderCrumbs() {
    const parts = this.folder.split('/').filter((p) => p !== '');
    return html`<nav aria-label="Folders"><button class="button quiet" @click=${() => this.show('')}>Workspace</button>
      ${parts.map((part, i) => html`<span aria-hidden="true">/</span><button class="button quiet" @click=${() => this.show(`/${parts.slice(0, i + 1).join('/')}`)}>${part}</button>`)}</nav>`;
  }

  private renderEntry(entry: WorkspaceEntryJson) {
    const path = entry.path ?? '';
    return html`<li><button data-path=${path} @click=${() => (entry.folder ? this.show(path) : this.take(path))}>${icon(entry.folder ? 'folder' : 'file')}
      <span>${baseName(path)}</span><small>${formatTime(entry.modifyTime)}</small><small>${entry.folder ? '' : formatBytes(entry.sizeBytes)}</small></button></li>`;
  }

  override render() {
    const { visible } = this;
    const hidden = (this.entries?.length ?? 0) - visible.length;
    return html`<stint-dialog .title=${this.options.title} @close=${() => {
      this.life.abort();
      this.answer(this.given);
    }}>
      ${this.renderCrumbs()}
      <ul aria-label="Entries of the folder">${
        this.problem
          ? html`<li class="empty" role="alert">${this.problem}</li>`
          : this.entries === undefined
            ? html`<li class="empty">Loading…</li>`
            : visible.length === 0
              ? html`<li class="empty">Nothing to choose here.</li>`
              : visible.map((entry) => this.renderEntry(entry))
      }</ul>
      <stint-uploads .keys=${this.uploads}></stint-uploads>
      <div class="more">
        ${
          !this.options.folder && (hidden > 0 || this.all)
            ? html`<label><input type="checkbox" .checked=${this.all} @change=${() => {
                this.all = !this.all;
              }}> All kinds of files</label>`
            : nothing
        }
        ${
          this.options.folder
            ? nothing
            : html`<button class="button" @click=${(e: Event) => ((e.currentTarget as HTMLElement).nextElementSibling as HTMLInputElement).click()}>${icon('upload')} Upload here</button>
              <input type="file" multiple hidden aria-label="Files to upload here" @change=${this.upload}>`
        }
      </div>
      <button slot="actions" class="button" @click=${() => this.dialog.close()}>Not now</button>
      ${this.options.folder ? html`<button slot="actions" class="button primary" @click=${() => this.take(this.folder || '/')}>Take this folder</button>` : nothing}
    </stint-dialog>`;
  }
}

/** Asks for a path of the workspace. Answers undefined when the user backs out. */
export function pick(options: PickOptions): Promise<string | undefined> {
  const element = document.createElement('stint-file-picker') as FilePicker;
  element.options = options;
  return new Promise((resolve) => {
    element.answer = (path) => {
      element.remove();
      resolve(path);
    };
    document.body.append(element);
  });
}
