// Shows one result file in the way that the service's spec names. What a viewer cannot read is text, or a download.
import { css, html, LitElement, nothing, type TemplateResult } from 'lit';
import { customElement, property, state } from 'lit/decorators.js';
import { formatBytes } from '../base/format';
import { sharedStyles } from '../base/styles';
import type { ResultFileJson } from '../gen/stint/jobs/v1/job_service_pb';
import { runsScripts } from './content-origin';
import type { Separator } from './parse-table';
import { type FileText, readText, resultURL } from './read-file';
import type { TableSource } from './table-source';
import { viewerStyles } from './viewer-styles';

export type Display = 'table' | 'text' | 'sequence' | 'features' | 'tree' | 'image' | 'html' | 'download';

const limits: Partial<Record<Display, number>> = {
  text: 1 << 20,
  sequence: 2 << 20,
  features: 32 << 20,
  tree: 16 << 20,
};

const texts =
  /^text\/|^application\/(json|yaml|x-yaml|xml)|\.(log|txt|md|json|ya?ml|toml|out|err|fq|fastq|sam|vcf|bed)$/;

// What has no type of its own is known by its name.
const names: readonly (readonly [RegExp, Display])[] = [
  [/\.(tsv|tab|csv)$/i, 'table'],
  [/\.(gff3?|gtf)$/i, 'features'],
  [/\.(nwk|newick|tre|tree|treefile)$/i, 'tree'],
  [/\.(fa|fna|faa|ffn|fasta)$/i, 'sequence'],
];

/** How a file is shown. What the spec leaves open is decided by the kind of file. */
export function displayOf(file: ResultFileJson): Display {
  const wanted = file.display as Display | '' | undefined;
  if (wanted && wanted !== 'download') return wanted;
  const type = file.contentType ?? '';
  if (/^image\//.test(type)) return 'image';
  if (/tab-separated|^text\/csv/.test(type)) return 'table';
  if (/^text\/html/.test(type)) return 'html';
  const byName = names.find(([form]) => form.test(file.path ?? ''));
  if (byName) return byName[1];
  return texts.test(type) || texts.test(file.path ?? '') ? 'text' : 'download';
}

@customElement('stint-result-view')
export class ResultView extends LitElement {
  static override styles = [
    sharedStyles,
    viewerStyles,
    css`
      img { display: block; max-width: 100%; max-height: var(--viewer-height, 70vh); margin: 0 auto; }
      .picture { padding: 12px; border: 1px solid var(--stint-border); border-radius: var(--stint-radius); background: light-dark(#ffffff, #e9edf2); }
      iframe { display: block; width: 100%; height: var(--viewer-height, 65vh); border: 1px solid var(--stint-border); border-radius: var(--stint-radius); background: #ffffff; }
      .nothing { padding: 24px; text-align: center; color: var(--stint-text-2); }
    `,
  ];

  @property() job = '';
  @property({ attribute: false }) file: ResultFileJson = {};
  @state() private content: FileText | undefined;
  @state() private problem = '';
  @state() private source: TableSource | undefined;
  /** How much of a table's file was read, in words. */
  @state() private progress = '';
  private life = new AbortController();

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.life.abort();
  }

  override willUpdate(changed: Map<string, unknown>): void {
    const before = changed.get('file') as ResultFileJson | undefined;
    const same = before?.path === this.file.path && before?.modifyTime === this.file.modifyTime;
    if ((changed.has('file') && !same) || changed.has('job')) void this.load();
  }

  private async load(): Promise<void> {
    this.life.abort();
    this.life = new AbortController();
    const { signal } = this.life;
    this.content = undefined;
    this.source = undefined;
    this.problem = '';
    this.progress = '';
    const display = displayOf(this.file);
    const limit = limits[display];
    if (display !== 'table' && !limit) return;
    try {
      if (!limit) return await this.loadTable(signal);
      const [content] = await Promise.all([
        readText(this.job, this.file.path ?? '', limit, signal),
        loadViewer(display),
      ]);
      if (signal.aborted) return;
      this.content = content;
    } catch (error) {
      if (!signal.aborted) this.problem = (error as Error).message;
    }
  }

  private async loadTable(signal: AbortSignal): Promise<void> {
    const [{ fileSource }] = await Promise.all([import('./table-source'), loadViewer('table')]);
    const told = (read: number, size: number) => {
      this.progress = `${formatBytes(read)}${size > 0 ? ` of ${formatBytes(size)}` : ''} read`;
    };
    const url = resultURL(this.job, this.file.path ?? '');
    const source = await fileSource(url, separatorOf(this.file), told, signal);
    if (!signal.aborted) this.source = source;
  }

  private renderText(display: Display, { text, cut }: FileText): TemplateResult {
    switch (display) {
      case 'sequence':
        return html`<stint-sequence-view .text=${text} .cut=${cut}></stint-sequence-view>`;
      case 'features':
        return html`<stint-features-view .text=${text} .cut=${cut}></stint-features-view>`;
      case 'tree':
        return html`<stint-tree-view .text=${text}></stint-tree-view>`;
      default:
        return html`<pre class="scroll" tabindex="0" role="region" aria-label=${this.file.path ?? ''}>${text || html`<span class="quiet-text">The file is empty.</span>`}</pre>`;
    }
  }

  override render() {
    const display = displayOf(this.file);
    const path = this.file.path ?? '';
    if (this.problem) return html`<p class="nothing" role="alert">${this.problem}</p>`;
    if (display === 'image')
      return html`<div class="picture"><img src=${resultURL(this.job, path)} alt=${this.file.title || path}></div>`;
    if (display === 'html') {
      // No rights at all: no scripts, no origin, no forms, no way up. At the content origin the server lets scripts run.
      return html`<iframe sandbox=${runsScripts() ? 'allow-scripts allow-downloads allow-modals' : ''} src=${resultURL(this.job, path)} title=${this.file.title || path} referrerpolicy="no-referrer"></iframe>`;
    }
    if (display === 'download')
      return html`<p class="nothing">This kind of file cannot be shown here. It can be downloaded.</p>`;
    if (this.source)
      return html`<stint-table-view .source=${this.source} label=${this.file.title || path}></stint-table-view>`;
    if (!this.content)
      return html`<p class="nothing" role="status">Loading…${this.progress ? ` ${this.progress}` : ''}</p>`;
    return html`${this.renderText(display, this.content)}
      ${this.content.cut ? html`<p class="cut">This is the start of the file, which has ${formatBytes(this.content.size)}. Download it to see all of it.</p>` : nothing}`;
  }
}

/** What is between the cells of a table, by what the file is called. */
export const separatorOf = (file: ResultFileJson): Separator =>
  /\.csv$/i.test(file.path ?? '') || /^text\/csv/.test(file.contentType ?? '') ? ',' : '\t';

// Each viewer is loaded when it is first needed.
function loadViewer(display: Display): Promise<unknown> | undefined {
  switch (display) {
    case 'table':
      return import('./table');
    case 'sequence':
      return import('./sequence');
    case 'features':
      return import('./features');
    case 'tree':
      return import('./tree');
    default:
      return undefined;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'stint-result-view': ResultView;
  }
}
