// Standard output and error output of a job with what one does in them: follow, pause, search, save.
import { css, html, LitElement, nothing } from 'lit';
import { customElement, property, query, state } from 'lit/decorators.js';
import { announce } from '../base/announce';
import { icon } from '../base/icons';
import { pathOf } from '../base/router';
import { sharedStyles } from '../base/styles';
import { readSetting, writeSetting } from '../base/theme';
import { toast } from '../base/toast';
import { isFinal } from '../base/words';
import type { JobJson } from '../gen/stint/jobs/v1/job_pb';
import { errors } from './errors';
import { findForward, textPattern } from './log-search';
import { type LogName, LogSource } from './log-source';
import type { LogView } from './log-view';
import './log-view';

const wrapSetting = 'stint-log-wrap';
const names: [LogName, string][] = [
  ['stdout', 'Standard output'],
  ['stderr', 'Error output'],
];

@customElement('stint-log-pane')
export class LogPane extends LitElement {
  static override styles = [
    sharedStyles,
    css`
      :host { display: flex; flex-direction: column; gap: 8px; min-height: 0; }
      .tools { display: flex; flex-wrap: wrap; gap: 6px; align-items: center; }
      .tabs { display: flex; gap: 2px; margin-right: auto; }
      .tabs .button[aria-selected='true'] { background: var(--stint-accent-2); }
      .search { display: flex; gap: 4px; }
      .search .input { width: 160px; }
      .button[aria-pressed='true'] { background: var(--stint-accent-2); }
      :host(:fullscreen) { padding: 12px; background: var(--stint-surface); }
      :host(:fullscreen) stint-log-view { height: auto !important; flex: 1; }
      stint-log-view { height: min(56vh, 560px); min-height: 136px; }
      @media (max-width: 560px) { .search { flex: 1 1 100%; } .search .input { flex: 1; } }
    `,
  ];

  @property({ attribute: false }) job: JobJson = {};
  @state() private name: LogName = 'stdout';
  @state() private attempt = 0;
  @state() private searched = '';
  @state() private searching = false;
  @state() private wrap = readSetting(wrapSetting) === 'on';
  @query('stint-log-view') private view!: LogView;
  private source: LogSource | undefined;
  private chosen = false;
  private life = new AbortController();

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.life.abort();
  }

  override willUpdate(changed: Map<string, unknown>): void {
    const before = changed.get('job') as JobJson | undefined;
    if (before && before.id !== this.job.id) {
      this.chosen = false;
      this.attempt = 0;
    }
    // A failed job is asked why; until the user has looked at something, that comes first.
    if (!this.chosen) this.name = this.job.state === 'STATE_FAILED' ? 'stderr' : 'stdout';
    const { job, name, attempt, source } = this;
    const key = attempt || (job.attempts?.at(-1)?.number ?? 0);
    if (!job.id || (source?.job === job.id && source.name === name && source.attempt === key)) return;
    this.source = new LogSource(job.id, name, key);
  }

  private choose(name: LogName): void {
    this.chosen = true;
    this.name = name;
  }

  private onTabKey(event: KeyboardEvent): void {
    if (event.key !== 'ArrowLeft' && event.key !== 'ArrowRight') return;
    event.preventDefault();
    this.choose(this.name === 'stdout' ? 'stderr' : 'stdout');
    void this.updateComplete.then(() =>
      this.renderRoot.querySelector<HTMLElement>('[role=tab][aria-selected=true]')?.focus(),
    );
  }

  private async search(event: Event): Promise<void> {
    event.preventDefault();
    if (!this.searched) return;
    this.chosen = true;
    this.searching = true;
    const found = await this.view.find(textPattern(this.searched));
    this.searching = false;
    if (!found) toast(`No line has “${this.searched}”.`);
    else announce('Found.');
  }

  private async firstError(): Promise<void> {
    const job = this.job.id ?? '';
    const { attempt = 0 } = this.source ?? {};
    this.searching = true;
    this.life.abort();
    this.life = new AbortController();
    const { signal } = this.life;
    try {
      // Programs tell of errors on either; what is on the error output alone is the more likely to be one.
      for (const name of ['stderr', 'stdout'] as const) {
        const source = new LogSource(job, name, attempt);
        const hit = await findForward(source, { from: 0 }, errors, { signal, progress: () => {} });
        if (hit) return await this.show(name, hit.offset);
      }
      toast('No line of either log looks like an error.');
    } catch (error) {
      if (!signal.aborted) toast(`The logs could not be searched. ${(error as Error).message}`, { kind: 'error' });
    } finally {
      this.searching = false;
    }
  }

  /** Shows a line of one of the logs by where it begins; of the latest attempt, or of another one. */
  async show(name: LogName, offset: number, attempt = 0): Promise<void> {
    this.choose(name);
    this.attempt = attempt;
    await this.updateComplete;
    await this.view.updateComplete;
    await this.view.goTo(offset, offset);
  }

  private renderTabs() {
    return html`<div class="tabs" role="tablist" aria-label="Logs" @keydown=${this.onTabKey}>
      ${names.map(
        ([
          name,
          label,
        ]) => html`<button class="button quiet" role="tab" id="tab-${name}" aria-controls="log" data-log=${name}
          aria-selected=${this.name === name} tabindex=${this.name === name ? 0 : -1} @click=${() => this.choose(name)}>${label}</button>`,
      )}
    </div>`;
  }

  private renderAttempts() {
    const attempts = this.job.attempts ?? [];
    if (attempts.length < 2) return nothing;
    return html`<select class="select" aria-label="Attempt" @change=${(e: Event) => {
      this.attempt = Number((e.target as HTMLSelectElement).value);
    }}>${attempts.map(
      (a) =>
        html`<option value=${a.number ?? 0} ?selected=${a.number === (this.attempt || attempts.at(-1)?.number)}>Attempt ${a.number}</option>`,
    )}</select>`;
  }

  private readonly lineHref = (offset: number) => {
    const query = new URLSearchParams({ log: this.name, at: String(offset) });
    if (this.attempt) query.set('attempt', String(this.attempt));
    return `${pathOf('jobs', this.job.id ?? '')}?${query}`;
  };

  private toggleWrap(): void {
    this.wrap = !this.wrap;
    writeSetting(wrapSetting, this.wrap ? 'on' : undefined);
  }

  private toggleFull(): void {
    if (document.fullscreenElement) void document.exitFullscreen();
    else void this.requestFullscreen();
  }

  private renderFollow() {
    const following = this.view?.following;
    if (isFinal(this.job.state) && !following) return nothing;
    return html`<button class="button" data-action="follow" @click=${() => (following ? this.view.pause() : this.view.follow())}>
      ${following ? html`${icon('pause')} Pause` : html`${icon('running')} Follow`}</button>`;
  }

  override render() {
    const open = !isFinal(this.job.state) && !this.attempt;
    return html`
      <div class="tools">
        ${this.renderTabs()} ${this.renderAttempts()}
        <form class="search" role="search" @submit=${this.search}>
          <input class="input" type="search" placeholder="Search in this log" aria-label="Search in this log" .value=${this.searched}
            @input=${(e: Event) => {
              this.searched = (e.target as HTMLInputElement).value;
            }}>
          <button class="button" aria-label="Next line that has it" ?disabled=${this.searching}>${icon('search')}</button>
        </form>
        <button class="button" data-action="error" ?disabled=${this.searching} @click=${this.firstError}>First error</button>
        ${this.renderFollow()}
        <button class="button quiet" data-action="wrap" aria-pressed=${this.wrap ? 'true' : 'false'} @click=${this.toggleWrap}>Wrap</button>
        ${document.fullscreenEnabled ? html`<button class="button quiet" data-action="full" @click=${this.toggleFull}>Full screen</button>` : nothing}
        <button class="button quiet" title="To the start" aria-label="To the start of the log" @click=${() => this.view.goTo(0)}>${icon('up')}</button>
        <button class="button quiet" title="To the end" aria-label="To the end of the log" @click=${() => this.view.follow()}>${icon('down')}</button>
        <a class="button quiet" title="Download the whole log" aria-label="Download the whole log" href=${this.source?.downloadURL ?? ''} download>${icon('download')}</a>
      </div>
      <stint-log-view id="log" role="tabpanel" aria-labelledby="tab-${this.name}" .source=${this.source} ?open=${open} ?wrap=${this.wrap} .lineHref=${this.lineHref}
        label=${this.name === 'stdout' ? 'Standard output' : 'Error output'}
        .pattern=${this.searched ? textPattern(this.searched).regExp : undefined} @follow-change=${() => this.requestUpdate()}></stint-log-view>`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'stint-log-pane': LogPane;
  }
}
