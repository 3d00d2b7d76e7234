// The page of one job, /jobs/ID: how it is, why, what it did and what came of it.

import { html, LitElement, nothing } from 'lit';
import { customElement, property, state } from 'lit/decorators.js';
import { announce } from '../base/announce';
import { ApiError } from '../base/api';
import { getJob, listJobs, listServices } from '../base/calls';
import { serverNow } from '../base/clock';
import { styles } from '../base/css-vars';
import { placeWords } from '../base/expected';
import { followSession } from '../base/follow';
import { formatBytes, formatElapsed, formatRelative, formatTime, formatTimeFull } from '../base/format';
import { icon } from '../base/icons';
import { navigate, pathOf, type Route } from '../base/router';
import { setTitle } from '../base/site';
import { sharedStyles, stateStyles } from '../base/styles';
import { type News, watch } from '../base/watch';
import { isFinal, stateLabel, stateName, statePill, visible } from '../base/words';
import type { ServiceJson } from '../gen/stint/catalog/v1/catalog_service_pb';
import type { JobJson, TimeRangeJson } from '../gen/stint/jobs/v1/job_pb';
import { workspaceHref } from '../workspace/paths';
import { jobActions } from './actions';
import { explain, remedy } from './explain';
import { jobPageStyles } from './page-styles';
import '../base/action-bar';
import '../results/results';
import './log-pane';
import './parameters';
import './timeline';
import './usage';
import './why';
import type { ShowLineEvent } from './why';

export const tag = 'stint-job-page';

const tickMillis = 1000;
/** Reruns that are listed. */
const mostReruns = 5;
const staleMillis = 3000;

@customElement(tag)
export class JobPage extends LitElement {
  static override styles = [sharedStyles, stateStyles, jobPageStyles];

  @property({ attribute: false }) route: Route | undefined;
  @state() private job: JobJson | undefined;
  @state() private service: ServiceJson | undefined;
  @state() private problem = '';
  @state() private lost = '';
  /** The jobs that were made of this one by a rerun, the latest first. */
  @state() private reruns: readonly string[] = [];
  @state() private now = serverNow();
  private readonly session = followSession(this);
  private jobId = '';
  /** The line that was last shown because the address names it. */
  private pointed = '';
  private life = new AbortController();
  private reading = false;
  private again = false;
  private lastRead = 0;
  private resultsFirst = false;

  override connectedCallback(): void {
    super.connectedCallback();
    if (this.jobId) this.open(this.jobId);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.life.abort();
  }

  override willUpdate(changed: Map<string, unknown>): void {
    const id = this.route?.params.id ?? '';
    if (changed.has('route') && id !== this.jobId) this.open(id);
  }

  private open(id: string): void {
    this.life.abort();
    this.life = new AbortController();
    const { signal } = this.life;
    this.jobId = id;
    this.job = undefined;
    this.problem = '';
    const timer = setInterval(() => {
      if (this.job && !isFinal(this.job.state) && !document.hidden) this.now = serverNow();
    }, tickMillis);
    signal.addEventListener('abort', () => clearInterval(timer));
    // Whose stream tells of the job depends on whose job it is.
    const { session } = this;
    const known = session.status ? undefined : session.refresh();
    this.reruns = [];
    void this.readReruns();
    void Promise.all([this.read(signal), known]).then(() => {
      if (!this.job || signal.aborted) return;
      const own = !session.operator || session.status?.user === this.job.owner;
      watch({ owner: own ? '' : '*', signal }, (news) => this.take(news));
    });
  }

  private async read(signal = this.life.signal): Promise<void> {
    if (this.reading) {
      this.again = true;
      return;
    }
    this.reading = true;
    this.lastRead = Date.now();
    try {
      const [job, services] = await Promise.all([getJob(this.jobId, signal), listServices().catch(() => [])]);
      if (signal.aborted) return;
      this.show(job, services);
    } catch (error) {
      if (signal.aborted) return;
      const gone = error instanceof ApiError && error.status === 404;
      if (gone || !this.job) this.problem = gone ? `There is no job ${this.jobId}.` : (error as Error).message;
    } finally {
      this.reading = false;
      if (this.again) {
        this.again = false;
        void this.read();
      }
    }
  }

  // What became of it later: jobs that were submitted again from it. Without an answer nothing is said of them.
  private async readReruns(): Promise<void> {
    const { signal } = this.life;
    const query = { filter: `rerun_of = ${this.jobId}`, orderBy: 'id desc', pageSize: mostReruns + 1 };
    try {
      const { jobs = [] } = await listJobs(query, signal);
      if (!signal.aborted) this.reruns = jobs.map((j) => j.id ?? '');
    } catch {
      this.reruns = [];
    }
  }

  private show(job: JobJson, services: readonly ServiceJson[]): void {
    const before = this.job;
    if (!before) this.resultsFirst = job.state === 'STATE_COMPLETED';
    this.job = job;
    this.now = serverNow();
    this.service = services.find((s) => s.id === job.service);
    this.problem = '';
    setTitle(`${stateLabel[stateName(job.state) ?? 'queued']}: ${job.outputName}`);
    if (before && before.state !== job.state) announce(`The job is now ${stateName(job.state)}.`);
  }

  private take(news: News): void {
    this.lost = news.link.live || news.link.heard === 0 ? '' : (news.link.problem ?? 'The connection is lost.');
    if (news.removed.includes(this.jobId)) {
      this.job = undefined;
      this.problem = `Job ${this.jobId} is no longer there.`;
      return;
    }
    const change = news.changes.find((j) => j.id === this.jobId);
    // Whatever the stream says, what is shown of a job that lives is never much older than this.
    const stale = !change && !isFinal(this.job?.state) && Date.now() - this.lastRead > staleMillis;
    if (news.reset || stale) void this.read();
    if (!change || !this.job || Number(change.revision ?? 0) <= Number(this.job.revision ?? 0)) return;
    const { state: was } = this.job;
    const { progress } = change;
    // Progress alone needs no reading of the whole job.
    if (was === change.state && progress && change.reason === this.job.reason) {
      this.job = { ...this.job, progress, revision: change.revision ?? '0' };
      return;
    }
    void this.read();
  }

  private renderBanner(job: JobJson) {
    const { what, todo } = explain(job);
    if (!what && !todo) return nothing;
    const name = stateName(job.state) ?? 'queued';
    const engine =
      job.engineState && job.engineState !== what
        ? html`<span class="quiet-text">The engine says: ${job.engineState}</span>`
        : nothing;
    return html`<div class="banner ${name}"><b>${what}</b>${name === 'failed' && job.startTime ? html`<stint-why .job=${job} @show-line=${this.showLine}></stint-why>` : nothing}
      ${todo ? html`<span>${todo}</span>` : nothing}${renderRemedy(job)}${engine}
      ${job.cancelReason ? html`<span>Given reason: ${job.cancelReason}</span>` : nothing}
      ${job.queuePosition ? html`<span>Its place: ${placeWords(job)}.</span>` : nothing}
      ${job.expectedStartTime && name === 'queued' ? html`<span>Expected to start ${formatRelative(job.expectedStartTime, this.now)}${this.renderRange(job.expectedStartRange)}.</span>` : nothing}</div>`;
  }

  /** How sure an expected time is. */
  private renderRange(range: TimeRangeJson | undefined) {
    if (!range?.earliest) return nothing;
    const at = (t: string) => html`<time title=${formatTimeFull(t)} datetime=${t}>${formatTime(t, this.now)}</time>`;
    return range.latest
      ? html` (9 in 10 such jobs: ${at(range.earliest)} to ${at(range.latest)})`
      : html` (${at(range.earliest)} at the earliest)`;
  }

  // point puts what is looked at into the address, so that it can be linked and comes back after a reload.
  private point(at: Record<string, string>): void {
    const query = new URLSearchParams(this.route?.query);
    for (const [name, value] of Object.entries(at)) query.set(name, value);
    navigate(`${pathOf('jobs', this.jobId)}?${query}`, { replace: true });
  }

  // A line that the address names is shown once the job is there, and again when the address names another one.
  override updated(): void {
    const query = this.route?.query;
    const at = query?.get('at') ?? '';
    const log = query?.get('log');
    const key = `${this.jobId} ${log} ${at} ${query?.get('attempt')}`;
    if (!this.job || key === this.pointed) return;
    this.pointed = key;
    if (!/^\d{1,15}$/.test(at) || (log !== 'stdout' && log !== 'stderr')) return;
    const pane = this.renderRoot.querySelector('stint-log-pane');
    pane?.scrollIntoView({ block: 'nearest' });
    void pane?.updateComplete.then(() => pane.show(log, Number(at), Number(query?.get('attempt')) || 0));
  }

  private async showLine(event: ShowLineEvent): Promise<void> {
    const pane = this.renderRoot.querySelector('stint-log-pane');
    pane?.scrollIntoView({ block: 'start' });
    await pane?.show(event.log, event.offset);
  }

  private renderProgress(job: JobJson) {
    const { progress } = job;
    if (job.state !== 'STATE_RUNNING' || !progress) return nothing;
    const percent = progress.percent;
    return html`<div class="progress">
      <div class="words"><span>${progress.message || 'Working'}</span>${percent === undefined ? nothing : html`<b>${percent} %</b>`}</div>
      <div class="track" role="progressbar" aria-label="Progress" aria-valuemin="0" aria-valuemax="100" aria-valuenow=${percent ?? nothing}
        aria-valuetext=${progress.message || nothing}><div class="fill" ${styles({ width: `${percent ?? 0}%` })}></div></div>
    </div>`;
  }

  private renderFacts(job: JobJson) {
    const attempt = job.attempts?.at(-1);
    const time = (label: string, t: string | undefined) =>
      t
        ? html`<dt>${label}</dt><dd><time title=${formatTimeFull(t)} datetime=${t}>${formatTime(t, this.now)}</time></dd>`
        : nothing;
    const fact = (label: string, value: unknown) =>
      value === undefined || value === '' ? nothing : html`<dt>${label}</dt><dd>${value}</dd>`;
    const labels = Object.entries(job.labels ?? {});
    return html`<dl class="facts">
      ${fact('Job', job.id)} ${fact('Service', this.service?.label ?? job.service)}
      ${this.session.operator ? fact('Owner', job.owner) : nothing}
      ${time('Submitted', job.submitTime)} ${time('Started', job.startTime)} ${time('Ended', job.completeTime)}
      ${job.expectedCompleteTime ? fact('Should end', html`${formatTime(job.expectedCompleteTime, this.now)}${this.renderRange(job.expectedCompleteRange)}`) : nothing}
      ${fact('Not known', job.expectationNote)}
      ${fact('Elapsed', formatElapsed(job.startTime, job.completeTime, this.now))}
      ${fact('GPUs', attempt?.gpuIndexes?.join(', '))}
      ${fact('Inputs', job.inputNote)}
      ${fact('Exit code', job.exitCode)} ${fact('Signal', attempt?.signal || '')}
      ${job.priority ? fact('Priority', job.priority) : nothing}
      ${job.submittedBy ? fact('Submitted by', job.submitReason ? `${job.submittedBy}: ${job.submitReason}` : job.submittedBy) : nothing}
      ${job.rerunOf && job.rerunOf !== '0' ? fact('Rerun of', html`<a href=${pathOf('jobs', job.rerunOf)}>job ${job.rerunOf}</a>, <a href=${pathOf('compare', job.rerunOf, job.id ?? '')}>what differs</a>`) : nothing}
      ${
        this.reruns.length > 0
          ? fact(
              'Rerun as',
              html`${this.reruns.slice(0, mostReruns).map((id) => html`<a href=${pathOf('jobs', id)}>job ${id}</a> `)}${
                this.reruns.length > mostReruns
                  ? html`<a href="jobs?filter=${encodeURIComponent(`rerun_of = ${job.id}`)}">and others</a>`
                  : nothing
              }`,
            )
          : nothing
      }
      ${job.parentId && job.parentId !== '0' ? fact('Part of', html`<a href=${pathOf('jobs', job.parentId)}>job ${job.parentId}</a>`) : nothing}
      ${job.keepTime ? fact('Kept', html`since ${formatTime(job.keepTime, this.now)}, ${formatBytes(job.keptBytes ?? 0)} of the quota`) : nothing}
      ${job.expireTime ? fact('Deleted', html`<time title=${formatTimeFull(job.expireTime)} datetime=${job.expireTime}>${formatRelative(job.expireTime, this.now)}</time>, with logs and results`) : nothing}
      ${job.resultFolder ? fact('Results', html`<a href=${workspaceHref(job.resultFolder)}>${job.resultFolder}</a>`) : nothing}
      ${
        labels.length > 0
          ? fact(
              'Labels',
              labels.map(
                ([k, v]) =>
                  html`<a class="label" title="Jobs with this label" href="jobs?filter=${encodeURIComponent(`labels.${k} = ${JSON.stringify(v)}`)}">${k}: ${v}</a> `,
              ),
            )
          : nothing
      }
    </dl>
    ${
      attempt
        ? html`<details class="where"><summary>Where it ran</summary><dl class="facts">${fact('Node', attempt?.node)}
      ${fact('Executor', job.executor || attempt?.executor)} ${fact('Engine id', attempt.engineId)}</dl></details>`
        : nothing
    }`;
  }

  private renderMain(job: JobJson) {
    const logs = html`<section class="panel" aria-labelledby="logs"><h2 id="logs">Logs</h2><stint-log-pane .job=${job}></stint-log-pane></section>`;
    const results = html`<section class="panel" aria-labelledby="results"><h2 id="results">Results</h2><stint-results .job=${job} .service=${this.service} .chosen=${this.route?.query.get('result') ?? undefined}
      @choose=${(e: CustomEvent<string>) => this.point({ result: e.detail })}></stint-results></section>`;
    // What stands where is settled when the page opens: nothing moves under the eyes of the reader when the job ends.
    const shown = job.startTime ? results : nothing;
    return this.resultsFirst
      ? html`<div class="work">${shown}${logs}</div>`
      : html`<div class="work">${logs}${shown}</div>`;
  }

  override render() {
    if (this.problem) {
      return html`<div class="problem"><h1>${this.problem}</h1><a class="button" href="jobs">Go to the jobs</a></div>`;
    }
    const { job } = this;
    if (!job) return html`<div class="problem quiet-text" role="status">Loading…</div>`;
    return html`<div class="page">
      <header>
        <a class="back" href="jobs">${icon('left')} Jobs</a>
        <div class="title"><h1>${visible(job.outputName)}</h1>${statePill(job.state)}</div>
        <p class="quiet-text">${this.service?.label ?? job.service} · job ${job.id}${this.lost ? html` · <span role="status">${icon('offline')} ${this.lost}</span>` : nothing}</p>
      </header>
      <div class="columns">
        <div class="main">
          ${this.renderBanner(job)} ${this.renderProgress(job)}
          <section class="panel" aria-label="Timeline"><stint-timeline .job=${job} .now=${this.now}></stint-timeline></section>
          ${this.renderMain(job)}
        </div>
        <div class="side">
          <section class="panel" aria-labelledby="facts"><h2 id="facts">Facts</h2>${this.renderFacts(job)}</section>
          <section class="panel" aria-labelledby="params"><h2 id="params">Parameters</h2>
            <stint-parameters .values=${(job.parameters ?? {}) as Record<string, unknown>} .service=${this.service}></stint-parameters></section>
          <section class="panel" aria-labelledby="used"><h2 id="used">Resources used</h2><stint-usage .job=${job} .now=${this.now}></stint-usage></section>
        </div>
        <div class="actions panel"><stint-action-bar arialabel="Actions for this job" .actions=${jobActions(job, this.session, () => void this.read())}></stint-action-bar></div>
      </div>
    </div>`;
  }
}

// renderRemedy offers the form with the one thing changed that the failure asks for.
function renderRemedy(job: JobJson) {
  const changed = remedy(job);
  if (!changed) return nothing;
  const address = `${pathOf('submit', job.service ?? '')}?rerun=${job.id}&${changed.query}`;
  return html`<a class="button remedy" href=${address}>${changed.words}</a>`;
}

declare global {
  interface HTMLElementTagNameMap {
    [tag]: JobPage;
  }
}
