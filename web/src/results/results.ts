// The files that a job made: what the service gives a title first, then the others; one of them shown.
import { css, html, LitElement, nothing } from 'lit';
import { customElement, property, state } from 'lit/decorators.js';
import { apiURL, call } from '../base/api';
import { formatBytes, formatCount } from '../base/format';
import { icon } from '../base/icons';
import { sharedStyles } from '../base/styles';
import { isFinal, visible } from '../base/words';
import type { ServiceJson } from '../gen/stint/catalog/v1/catalog_service_pb';
import type { JobJson } from '../gen/stint/jobs/v1/job_pb';
import type { ListResultsResponseJson, ResultFileJson } from '../gen/stint/jobs/v1/job_service_pb';
import { workspaceHref } from '../workspace/paths';
import { runsScripts } from './content-origin';
import { type FileGroup, groupFiles } from './order';
import { resultURL } from './read-file';
import { displayOf } from './viewer';

/** Files of a folder that are listed at once. */
const mostListed = 200;
/** From so many files on there is a filter. */
const manyFiles = 12;

@customElement('stint-results')
export class Results extends LitElement {
  static override styles = [
    sharedStyles,
    css`
      :host { display: block; min-width: 0; container-type: inline-size; }
      .all { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; margin-bottom: 10px; }
      .all .grow { flex: 1; }
      .both { display: grid; grid-template-columns: minmax(170px, 230px) minmax(0, 1fr); gap: 14px; align-items: start; }
      ul { list-style: none; margin: 0; padding: 0; display: grid; gap: 2px; }
      .files { display: grid; gap: 6px; max-height: 66vh; overflow: auto; align-content: start; }
      .files .input { width: 100%; }
      summary { cursor: pointer; padding: 5px 4px; font-weight: 550; overflow-wrap: anywhere; }
      li button { display: grid; width: 100%; gap: 1px; padding: 6px 10px; font: inherit; color: inherit; text-align: start; background: none; border: 1px solid transparent; border-radius: var(--stint-radius); cursor: pointer; overflow-wrap: anywhere; }
      li button:hover { background: var(--stint-hover); }
      li button[aria-current] { background: var(--stint-accent-2); border-color: var(--stint-accent); }
      li small { color: var(--stint-text-2); font-size: 0.9em; }
      .head { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; margin-bottom: 10px; min-width: 0; }
      .head h3 { margin: 0; font-size: 1rem; flex: 1; min-width: 140px; overflow-wrap: anywhere; }
      .shown { min-width: 0; }
      .shown:fullscreen { padding: 16px; background: var(--stint-surface); overflow: auto; --viewer-height: calc(100vh - 150px); }
      /* Where a list beside it would leave the file no room, the list stands above it. */
      @container (max-width: 1000px) {
        .both { grid-template-columns: minmax(0, 1fr); }
        .files { max-height: 190px; }
        .files ul { grid-template-columns: repeat(auto-fill, minmax(min(220px, 100%), 1fr)); }
      }
    `,
  ];

  @property({ attribute: false }) job: JobJson = {};
  @property({ attribute: false }) service: ServiceJson | undefined;
  @state() private list: ListResultsResponseJson | undefined;
  /** The path of the file to show, as the address has it. */
  @property({ attribute: false }) chosen: string | undefined;
  @state() private filter = '';
  @state() private more: ReadonlyMap<string, number> = new Map();
  @state() private unfolded: ReadonlySet<string> = new Set();
  @state() private problem = '';
  private read = '';
  private life = new AbortController();

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.life.abort();
    this.read = '';
  }

  override willUpdate(): void {
    const key = `${this.job.id} ${this.job.state} ${this.job.attempts?.length}`;
    if (key === this.read || !this.job.startTime) return;
    this.read = key;
    void this.load();
  }

  private async load(): Promise<void> {
    this.life.abort();
    this.life = new AbortController();
    const { signal } = this.life;
    try {
      const list = await call<ListResultsResponseJson>(
        'GET',
        `v1/jobs/${encodeURIComponent(this.job.id ?? '')}/results`,
        { signal },
      );
      this.list = list;
      this.problem = '';
    } catch (error) {
      if (!signal.aborted) this.problem = (error as Error).message;
    }
  }

  /** The file that is shown: the chosen one, else the first of a job that has ended. */
  private get shown(): ResultFileJson | undefined {
    const files = this.list?.files ?? [];
    const chosen = files.find((f) => f.path === this.chosen);
    // A running job's files change while they are looked at; none is shown until it is asked for.
    if (chosen || !isFinal(this.job.state)) return chosen;
    return groupFiles(files, this.service).find((g) => g.files.length > 0)?.files[0];
  }

  private toggleFull(): void {
    if (document.fullscreenElement) void document.exitFullscreen();
    else void this.renderRoot.querySelector('.shown')?.requestFullscreen();
  }

  private renderFiles(files: readonly ResultFileJson[]) {
    const word = this.filter.trim().toLowerCase();
    const fits = (f: ResultFileJson) => `${f.path} ${f.title}`.toLowerCase().includes(word);
    const groups = groupFiles(files, this.service);
    const found = groups.flatMap((g) => g.files).filter(fits);
    const box =
      files.length >= manyFiles
        ? html`<input class="input" type="search" placeholder="Find a file" aria-label="Find a file" .value=${this.filter}
            @input=${(e: Event) => {
              this.filter = (e.target as HTMLInputElement).value;
            }}>`
        : nothing;
    if (word !== '')
      return html`${box}<span class="quiet-text" role="status">${formatCount(found.length)} of ${formatCount(files.length)} files</span>${this.renderSome('', found)}`;
    return html`${box}${groups.map((g) => (g.folder === '' ? this.renderSome('', g.files) : this.renderFolder(g)))}`;
  }

  // A folder that nobody opened has no elements for its files.
  private renderFolder({ folder, files }: FileGroup) {
    const open = this.unfolded.has(folder);
    const unfold = (e: Event) => {
      const next = new Set(this.unfolded);
      if ((e.target as HTMLDetailsElement).open) next.add(folder);
      else next.delete(folder);
      this.unfolded = next;
    };
    return html`<details data-folder=${folder} ?open=${open} @toggle=${unfold}><summary>${visible(folder)}/ <span class="quiet-text">${formatCount(files.length)} ${files.length === 1 ? 'file' : 'files'}</span></summary>
      ${open ? this.renderSome(folder, files) : nothing}</details>`;
  }

  private renderSome(folder: string, files: readonly ResultFileJson[]) {
    const most = this.more.get(folder) ?? mostListed;
    return html`<ul aria-label=${folder ? `Files in ${folder}` : 'Result files'}>${files.slice(0, most).map((f) => this.renderFile(f))}</ul>
      ${
        files.length > most
          ? html`<p class="quiet-text">${formatCount(most)} of ${formatCount(files.length)} are listed.
            <button class="button quiet" @click=${() => {
              this.more = new Map(this.more).set(folder, most + 5 * mostListed);
            }}>List more</button></p>`
          : nothing
      }`;
  }

  private renderFile(file: ResultFileJson) {
    const on = file === this.shown;
    return html`<li><button data-result=${file.path ?? ''} aria-current=${on ? 'true' : nothing} @click=${() => this.dispatchEvent(new CustomEvent('choose', { detail: file.path ?? '' }))}><span>${visible(file.title || file.path)}</span><small>${file.title ? html`${file.path} · ` : nothing}${formatBytes(file.sizeBytes)}</small></button></li>`;
  }

  private renderShown(file: ResultFileJson) {
    const id = this.job.id ?? '';
    const path = file.path ?? '';
    // The server has a browser save what could draw anything by itself, such as a report.
    const harmless = ['image', 'text'].includes(displayOf(file)) && !/\.svgz?$/i.test(path);
    const open = harmless || (runsScripts() && (displayOf(file) === 'html' || /\.(svg|pdf)$/i.test(path)));
    return html`<div class="shown">
      <div class="head"><h3>${visible(file.title || path)}</h3>
        ${open ? html`<a class="button" href=${resultURL(id, path)} target="_blank" rel="noopener noreferrer">Open alone</a>` : nothing}
        ${
          document.fullscreenEnabled
            ? html`<button class="button" data-action="full" @click=${this.toggleFull}>Full screen</button>`
            : nothing
        }
        <a class="button" href=${resultURL(id, path, { download: true })} download>${icon('download')} Download</a></div>
      <stint-result-view .job=${id} .file=${file}></stint-result-view>
    </div>`;
  }

  override render() {
    if (this.problem) return html`<p role="alert">${this.problem}</p>`;
    if (!this.list) return html`<p class="quiet-text" role="status">Loading…</p>`;
    const files = this.list.files ?? [];
    const refresh = isFinal(this.job.state)
      ? nothing
      : html`<button class="button" @click=${() => this.load()}>${icon('rerun')} Look again</button>`;
    if (files.length === 0)
      return html`<div class="all"><span class="quiet-text grow">There are no files${isFinal(this.job.state) ? '' : ' yet'}.</span>${refresh}</div>`;
    const { shown } = this;
    const folder = this.list.resultFolder;
    return html`
      <div class="all">
        <span class="grow quiet-text">${formatCount(files.length)}${this.list.truncated ? ' or more' : ''} ${files.length === 1 ? 'file' : 'files'}, ${formatBytes(files.reduce((sum, f) => sum + Number(f.sizeBytes ?? 0), 0))}</span>
        ${refresh}
        ${folder ? html`<a class="button" href=${workspaceHref(folder)}>${icon('folder')} In the workspace</a>` : nothing}
        <a class="button" data-action="zip" href=${apiURL(`v1/jobs/${encodeURIComponent(this.job.id ?? '')}/results.zip`)} download>${icon('download')} All as zip</a>
      </div>
      ${this.list.note ? html`<p class="warning" role="status">${this.list.note}</p>` : nothing}
      <div class="both">
        <div class="files">${this.renderFiles(files)}</div>
        ${shown ? this.renderShown(shown) : html`<p class="quiet-text">Choose a file to look at it.</p>`}
      </div>`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'stint-results': Results;
  }
}
