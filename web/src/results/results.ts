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
import { resultURL } from './read-file';
import { displayOf } from './viewer';

const mostListed = 300;

@customElement('stint-results')
export class Results extends LitElement {
  static override styles = [
    sharedStyles,
    css`
      :host { display: block; min-width: 0; }
      .all { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; margin-bottom: 10px; }
      .all .grow { flex: 1; }
      .both { display: grid; grid-template-columns: minmax(170px, 230px) minmax(0, 1fr); gap: 14px; align-items: start; }
      ul { list-style: none; margin: 0; padding: 0; display: grid; gap: 2px; max-height: 66vh; overflow: auto; }
      li button { display: grid; width: 100%; gap: 1px; padding: 6px 10px; font: inherit; color: inherit; text-align: left; background: none; border: 1px solid transparent; border-radius: var(--stint-radius); cursor: pointer; overflow-wrap: anywhere; }
      li button:hover { background: var(--stint-hover); }
      li button[aria-current] { background: var(--stint-accent-2); border-color: var(--stint-accent); }
      li small { color: var(--stint-text-2); font-size: 0.9em; }
      .head { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; margin-bottom: 10px; min-width: 0; }
      .head h3 { margin: 0; font-size: 1rem; flex: 1; min-width: 140px; overflow-wrap: anywhere; }
      .shown { min-width: 0; }
      @media (max-width: 860px) { .both { grid-template-columns: minmax(0, 1fr); } ul { max-height: 200px; } }
    `,
  ];

  @property({ attribute: false }) job: JobJson = {};
  @property({ attribute: false }) service: ServiceJson | undefined;
  @state() private list: ListResultsResponseJson | undefined;
  @state() private chosen: string | undefined;
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
      list.files = sortFiles(list.files ?? [], this.service);
      this.list = list;
      this.problem = '';
      const there = list.files.some((f) => f.path === this.chosen);
      // A running job's files change while they are looked at; none is shown until it is asked for.
      if (!there) this.chosen = isFinal(this.job.state) ? list.files[0]?.path : undefined;
    } catch (error) {
      if (!signal.aborted) this.problem = (error as Error).message;
    }
  }

  private renderFile(file: ResultFileJson) {
    const on = file.path === this.chosen;
    return html`<li><button data-result=${file.path ?? ''} aria-current=${on ? 'true' : nothing} @click=${() => {
      this.chosen = file.path;
    }}><span>${visible(file.title || file.path)}</span><small>${file.title ? html`${file.path} · ` : nothing}${formatBytes(file.sizeBytes)}</small></button></li>`;
  }

  private renderShown(file: ResultFileJson) {
    const id = this.job.id ?? '';
    const path = file.path ?? '';
    const open = ['html', 'image', 'text'].includes(displayOf(file));
    return html`<div class="shown">
      <div class="head"><h3>${visible(file.title || path)}</h3>
        ${open ? html`<a class="button" href=${resultURL(id, path)} target="_blank" rel="noopener noreferrer">Open alone</a>` : nothing}
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
    const shown = files.find((f) => f.path === this.chosen);
    const folder = this.list.resultFolder;
    return html`
      <div class="all">
        <span class="grow quiet-text">${formatCount(files.length)}${this.list.truncated ? ' or more' : ''} ${files.length === 1 ? 'file' : 'files'}, ${formatBytes(files.reduce((sum, f) => sum + Number(f.sizeBytes ?? 0), 0))}</span>
        ${refresh}
        ${folder ? html`<a class="button" href=${workspaceHref(folder)}>${icon('folder')} In the workspace</a>` : nothing}
        <a class="button" data-action="zip" href=${apiURL(`v1/jobs/${encodeURIComponent(this.job.id ?? '')}/results.zip`)} download>${icon('download')} All as zip</a>
      </div>
      <div class="both">
        <ul aria-label="Result files" tabindex="-1">${files.slice(0, mostListed).map((f) => this.renderFile(f))}
          ${files.length > mostListed ? html`<li class="quiet-text">${formatCount(files.length - mostListed)} more are in the zip file and the workspace.</li>` : nothing}</ul>
        ${shown ? this.renderShown(shown) : html`<p class="quiet-text">Choose a file to look at it.</p>`}
      </div>`;
  }
}

// The files that the spec gives a title come first, in its order.
function sortFiles(files: ResultFileJson[], service: ServiceJson | undefined): ResultFileJson[] {
  const titles = (service?.results ?? []).map((r) => r.title);
  const rank = (f: ResultFileJson) => (f.title ? titles.indexOf(f.title) + 1 || 1 : titles.length + 2);
  return files.toSorted((a, b) => rank(a) - rank(b));
}

declare global {
  interface HTMLElementTagNameMap {
    'stint-results': Results;
  }
}
