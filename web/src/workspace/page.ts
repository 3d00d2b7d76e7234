// The workspace at /workspace/PATH: what is in a folder, what goes into it and out of it.
import { html, LitElement, nothing } from 'lit';
import { customElement, property, state } from 'lit/decorators.js';
import { ApiError } from '../base/api';
import { styles } from '../base/css-vars';
import { ask } from '../base/dialog';
import { formatBytes, formatCount, formatTime, formatTimeFull } from '../base/format';
import { icon } from '../base/icons';
import type { Route } from '../base/router';
import { sharedStyles } from '../base/styles';
import { toast } from '../base/toast';
import { transfers } from '../base/transfers';
import { visible } from '../base/words';
import type { ListResponseJson, WorkspaceEntryJson } from '../gen/stint/workspace/v1/workspace_service_pb';
import { deleteEntry, droppedFiles, listFolder } from './files';
import { workspaceStyles } from './page-styles';
import { baseName, joinPath, parentOf, workspaceHref, workspaceURL } from './paths';

export const tag = 'stint-workspace-page';

@customElement(tag)
export class WorkspacePage extends LitElement {
  static override styles = [sharedStyles, workspaceStyles];

  @property({ attribute: false }) route: Route | undefined;
  @state() private listing: ListResponseJson | undefined;
  @state() private problem = '';
  @state() private over = false;
  @state() private selected: ReadonlySet<string> = new Set();
  private folder: string | undefined;
  private life = new AbortController();

  override connectedCallback(): void {
    super.connectedCallback();
    const { signal } = this.life;
    // A file may have made folders on its way.
    const stored = (e: Event) => {
      if ((e as CustomEvent<string>).detail.startsWith(`${this.folder ?? ''}/`)) void this.load();
    };
    transfers.addEventListener('stored', stored, { signal });
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.life.abort();
    this.life = new AbortController();
    this.folder = undefined;
  }

  override willUpdate(changed: Map<string, unknown>): void {
    const path = this.route?.params.path ?? '';
    const folder = path === '' ? '' : `/${path}`;
    if (!changed.has('route') || folder === this.folder) return;
    this.folder = folder;
    this.listing = undefined;
    this.selected = new Set();
    void this.load();
  }

  private async load(more = ''): Promise<void> {
    const { folder = '' } = this;
    const { signal } = this.life;
    try {
      const listing = await listFolder(folder, more, signal);
      if (this.folder !== folder) return;
      if (more) listing.entries = [...(this.listing?.entries ?? []), ...(listing.entries ?? [])];
      this.listing = listing;
      this.problem = '';
      const there = new Set((listing.entries ?? []).map((e) => e.path ?? ''));
      this.selected = new Set([...this.selected].filter((path) => there.has(path)));
    } catch (error) {
      if (signal.aborted || this.folder !== folder) return;
      const missing = error instanceof ApiError && error.status === 404;
      this.problem = missing ? `There is no folder ${folder}.` : (error as Error).message;
    }
  }

  private upload(files: File[], folder = this.folder ?? ''): void {
    transfers.add(folder, files);
  }

  private async uploadIntoNew(files: File[]): Promise<void> {
    const name = await ask({
      title: 'Upload into a new folder',
      body: 'A folder is made by what is put into it.',
      confirm: 'Upload',
      text: { label: 'Name of the folder', required: true, rows: 1, maxLength: 200 },
    });
    if (name) this.upload(files, joinPath(this.folder ?? '', name));
  }

  private async removeEntries(entries: WorkspaceEntryJson[]): Promise<void> {
    const [first] = entries;
    if (!first) return;
    const folders = entries.filter((e) => e.folder).length;
    const one = entries.length === 1;
    const answer = await ask({
      title: one ? `Delete ${baseName(first.path ?? '')}?` : `Delete ${entries.length} entries?`,
      body: `${folders > 0 ? 'Folders go with everything in them. ' : ''}This cannot be taken back.`,
      confirm: 'Delete',
      danger: true,
    });
    if (answer === undefined) return;
    let removed = 0;
    const failed: string[] = [];
    for (const entry of entries) {
      try {
        removed += Number((await deleteEntry(entry)).removedFiles ?? 0);
      } catch (error) {
        failed.push(`${baseName(entry.path ?? '')}: ${(error as Error).message}`);
      }
    }
    if (failed.length < entries.length)
      toast(`${formatCount(removed)} ${removed === 1 ? 'file is' : 'files are'} deleted.`, { kind: 'success' });
    if (failed.length > 0) toast(failed.join('\n'), { kind: 'error' });
    this.selected = new Set();
    await this.load();
  }

  private select(path: string, on: boolean): void {
    const next = new Set(this.selected);
    if (on) next.add(path);
    else next.delete(path);
    this.selected = next;
  }

  private renderUsage({ usageBytes, quotaBytes }: ListResponseJson) {
    const used = Number(usageBytes ?? 0);
    const quota = Number(quotaBytes ?? 0);
    if (quota === 0) return html`<div class="usage quiet-text">${formatBytes(used)} used</div>`;
    const part = Math.min(1, used / quota);
    return html`<div class="usage"><span>${formatBytes(used)} of ${formatBytes(quota)} used</span>
      <div class="track" role="img" aria-label="${Math.round(part * 100)} % of the quota is used"><div class="fill ${part > 0.9 ? 'high' : ''}" ${styles({ width: `${part * 100}%` })}></div></div></div>`;
  }

  private renderCrumbs() {
    const parts = (this.folder ?? '').split('/').filter((p) => p !== '');
    return html`<nav class="crumbs" aria-label="Folders"><a href="workspace">Workspace</a>${parts.map(
      (part, i) =>
        html`<span aria-hidden="true">/</span><a href=${workspaceHref(parts.slice(0, i + 1).join('/'))} aria-current=${i === parts.length - 1 ? 'page' : nothing}>${part}</a>`,
    )}</nav>`;
  }

  private renderTools(entries: WorkspaceEntryJson[]) {
    const chosen = entries.filter((e) => this.selected.has(e.path ?? ''));
    const take = (into: (files: File[]) => unknown) => (e: Event) => {
      const input = e.target as HTMLInputElement;
      const files = [...(input.files ?? [])];
      input.value = '';
      void into(files);
    };
    const open = (e: Event) => ((e.currentTarget as HTMLElement).nextElementSibling as HTMLInputElement).click();
    return html`<div class="tools">
      <button class="button primary" @click=${open}>${icon('upload')} Upload</button>
      <input type="file" multiple hidden data-upload="here" aria-label="Files to upload" @change=${take((files) => this.upload(files))}>
      <button class="button" @click=${open}>${icon('folder')} Upload into a new folder</button>
      <input type="file" multiple hidden data-upload="new" aria-label="Files to upload into a new folder" @change=${take((files) => this.uploadIntoNew(files))}>
      <span class="grow"></span>
      <button class="button" data-action="delete" ?disabled=${chosen.length === 0} @click=${() => this.removeEntries(chosen)}>${icon('trash')} Delete${chosen.length > 0 ? ` ${chosen.length}` : ''}</button>
    </div>`;
  }

  private renderRow(entry: WorkspaceEntryJson) {
    const path = entry.path ?? '';
    const name = baseName(path);
    const on = this.selected.has(path);
    return html`<tr class=${on ? 'selected' : ''}>
      <td class="tick"><input type="checkbox" aria-label="Select ${name}" .checked=${on} @change=${(e: Event) => this.select(path, (e.target as HTMLInputElement).checked)}></td>
      <td class="name">${
        entry.folder
          ? html`<a href=${workspaceHref(path)}>${icon('folder')}<span>${visible(name)}</span></a>`
          : html`<a href=${workspaceURL(path)} target="_blank" rel="noopener noreferrer">${icon('file')}<span>${visible(name)}</span></a>`
      }</td>
      <td class="size">${entry.folder ? '' : formatBytes(entry.sizeBytes)}</td>
      <td class="time"><time title=${formatTimeFull(entry.modifyTime)}>${formatTime(entry.modifyTime)}</time></td>
      <td class="row-actions">${entry.folder ? nothing : html`<a class="button quiet" href=${workspaceURL(path, { download: true })} download title="Download" aria-label="Download ${name}">${icon('download')}</a>`}
        <button class="button quiet" title="Delete" aria-label="Delete ${name}" @click=${() => this.removeEntries([entry])}>${icon('trash')}</button></td>
    </tr>`;
  }

  private renderTable(entries: WorkspaceEntryJson[]) {
    const all = entries.length > 0 && this.selected.size === entries.length;
    const up = this.folder
      ? html`<tr><td></td><td class="name" colspan="4"><a href=${workspaceHref(parentOf(this.folder))}>${icon('up')}<span>Folder above</span></a></td></tr>`
      : nothing;
    return html`<div class="panel list"><table>
      <thead><tr><th class="tick"><input type="checkbox" aria-label="Select all" .checked=${all} ?disabled=${entries.length === 0} @change=${() => {
        this.selected = all ? new Set() : new Set(entries.map((e) => e.path ?? ''));
      }}></th><th scope="col">Name</th><th scope="col" class="size">Size</th><th scope="col" class="time">Changed</th><th><span class="visually-hidden">Actions</span></th></tr></thead>
      <tbody>${up}${entries.map((entry) => this.renderRow(entry))}</tbody></table>
      ${entries.length === 0 ? html`<p class="empty">${icon('upload')}<br>Nothing is here. Drop files to upload them.</p>` : nothing}
    </div>`;
  }

  override render() {
    const { listing } = this;
    const entries = listing?.entries ?? [];
    return html`<div class="page ${this.over ? 'over' : ''}" @dragover=${(e: DragEvent) => {
      e.preventDefault();
      this.over = true;
    }} @dragleave=${(e: DragEvent) => {
      this.over = e.relatedTarget instanceof Node && this.renderRoot.contains(e.relatedTarget);
    }} @drop=${(e: DragEvent) => {
      e.preventDefault();
      this.over = false;
      this.upload(droppedFiles(e));
    }}>
      <header><h1>Workspace</h1>${listing ? this.renderUsage(listing) : nothing}</header>
      ${this.renderCrumbs()}
      ${this.problem ? html`<p class="problem" role="alert">${this.problem}</p>` : nothing}
      ${
        listing
          ? html`${this.renderTools(entries)}${this.renderTable(entries)}
            ${listing.unsorted ? html`<p class="quiet-text" role="note">This folder has more than 10,000 entries. They are shown as they lie on the server's disk, in no order.</p>` : nothing}
            ${listing.nextPageToken ? html`<p><button class="button" @click=${() => this.load(listing.nextPageToken)}>Show more</button></p>` : nothing}`
          : this.problem
            ? nothing
            : html`<p class="quiet-text" role="status">Loading…</p>`
      }
    </div>`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    [tag]: WorkspacePage;
  }
}
