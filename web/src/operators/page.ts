// The operators' page at /queue: the state of the server, the queue of all owners, and how it went lately.

import { html, LitElement, nothing } from 'lit';
import { customElement, property, state } from 'lit/decorators.js';
import { call } from '../base/api';
import { listJobs } from '../base/calls';
import { serverNow } from '../base/clock';
import { ask } from '../base/dialog';
import { followServices, followSession } from '../base/follow';
import { formatCount, formatTime, formatTimeFull } from '../base/format';
import { icon } from '../base/icons';
import { pathOf, type Route } from '../base/router';
import { sharedStyles, stateStyles } from '../base/styles';
import { toast } from '../base/toast';
import { type News, watch } from '../base/watch';
import { stateLabel, states } from '../base/words';
import type { IssueJson, ListIssuesResponseJson } from '../gen/stint/admin/v1/admin_service_pb';
import type { JobJson } from '../gen/stint/jobs/v1/job_pb';
import type { SummaryJson } from '../gen/stint/jobs/v1/job_service_pb';
import { shortMillis } from '../job/duration';
import { type Figures, type Period, periods, readFigures } from './figures';
import { operatorsStyles } from './page-styles';
import type { Line } from './plot';
import './executors';
import './plot';
import '../everybody/queue';

export const tag = 'stint-operators-page';

const statusMillis = 5000;
const settleMillis = 700;
const mostShown = 100;

@customElement(tag)
export class OperatorsPage extends LitElement {
  static override styles = [sharedStyles, stateStyles, operatorsStyles];

  @property({ attribute: false }) route: Route | undefined;
  @state() private queue: JobJson[] = [];
  @state() private total = 0;
  @state() private counts: SummaryJson | undefined;
  @state() private figures: Figures | undefined;
  @state() private issues: IssueJson[] = [];
  @state() private period: Period = periods[0];
  @state() private problem = '';
  @state() private now = serverNow();
  private readonly session = followSession(this);
  private readonly services = followServices(this);
  private life = new AbortController();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private ended = '';

  override connectedCallback(): void {
    super.connectedCallback();
    this.life = new AbortController();
    const { signal } = this.life;
    watch({ owner: '*', signal }, (news) => this.take(news));
    const ticks = setInterval(() => {
      this.now = serverNow();
      if (!document.hidden) void this.session.refresh();
    }, statusMillis);
    signal.addEventListener('abort', () => clearInterval(ticks));
    void this.session.refresh();
    void this.readQueue();
    void this.readPast();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.life.abort();
    clearTimeout(this.timer);
    this.timer = undefined;
  }

  private take(news: News): void {
    this.counts = news.counts ?? this.counts;
    if (news.changes.length === 0 && news.removed.length === 0 && !news.reset) return;
    // Many jobs may change in a second; the page asks once for all of them.
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      void this.readQueue();
      const { completed = '0', failed = '0', cancelled = '0' } = this.counts?.total ?? {};
      const ended = `${completed} ${failed} ${cancelled}`;
      if (ended !== this.ended) void this.readPast();
      this.ended = ended;
    }, settleMillis);
  }

  private async readQueue(): Promise<void> {
    const { signal } = this.life;
    try {
      const answer = await listJobs(
        { owner: '*', filter: 'state = RUNNING OR state = QUEUED', orderBy: 'submit_time', pageSize: mostShown },
        signal,
      );
      this.queue = answer.jobs ?? [];
      this.total = Number(answer.totalSize ?? 0);
      this.now = serverNow();
      this.problem = '';
    } catch (error) {
      if (!signal.aborted) this.problem = (error as Error).message;
    }
  }

  private async readPast(): Promise<void> {
    const { signal } = this.life;
    const { period } = this;
    try {
      const [figures, issues] = await Promise.all([
        readFigures(period, serverNow(), signal),
        call<ListIssuesResponseJson>('GET', 'v1/admin/issues', { query: { pageSize: 20 }, signal }),
      ]);
      if (this.period !== period) return;
      this.figures = figures;
      this.issues = issues.issues ?? [];
    } catch (error) {
      if (!signal.aborted) this.problem = (error as Error).message;
    }
  }

  private async switchSubmissions(open: boolean): Promise<void> {
    const message = await ask(
      open
        ? { title: 'Accept new jobs again?', confirm: 'Accept new jobs' }
        : {
            title: 'Accept no new jobs?',
            body: 'Jobs that wait or run go on. All users see your message until new jobs are accepted again.',
            confirm: 'Close submissions',
            danger: true,
            text: { label: 'Message for users', rows: 3, maxLength: 480, required: true, draft: 'closing' },
          },
    );
    if (message === undefined) return;
    try {
      await call('POST', 'v1/admin/submissions', { body: { open, message } });
      toast(open ? 'New jobs are accepted.' : 'No new jobs are accepted.', { kind: 'success' });
    } catch (error) {
      toast((error as Error).message, { kind: 'error' });
    }
    await this.session.refresh();
  }

  private renderServer() {
    const { status } = this.session;
    const open = status?.submissionsOpen !== false;
    return html`<section class="panel" aria-labelledby="server"><h2 id="server">Server</h2>
      <div class="switch">
        <button class="toggle" role="switch" aria-checked=${open ? 'true' : 'false'} aria-label="Accept new jobs" @click=${() => this.switchSubmissions(!open)}><i></i></button>
        <div><b>${open ? 'New jobs are accepted' : 'No new jobs are accepted'}</b>${!open && status?.message ? html`<p>${status.message}</p>` : nothing}</div>
      </div>
      <dl><dt>Version</dt><dd>${status?.version}</dd></dl>
      <h3>Executors</h3>
      <stint-executors .executors=${status?.executors ?? []}></stint-executors>
    </section>`;
  }

  private renderCounts() {
    const total = this.counts?.total;
    return html`<div class="counts">${states.map(
      (name) =>
        html`<a class="count panel" href="jobs?owner=*&state=${name}"><span class="state ${name}">${icon(name)}${stateLabel[name]}</span><b>${total ? formatCount(total[name]) : '–'}</b></a>`,
    )}</div>`;
  }

  private renderPlots() {
    const { figures, period } = this;
    return html`<section class="panel" aria-labelledby="plots">
      <div class="plots-head"><h2 id="plots">Lately</h2>
        <select class="select" aria-label="Period" @change=${(e: Event) => {
          this.period = periods.find((p) => p.id === (e.target as HTMLSelectElement).value) ?? periods[0];
          void this.readPast();
        }}>${periods.map((p) => html`<option value=${p.id} ?selected=${p === period}>${p.label}</option>`)}</select></div>
      ${
        figures
          ? html`<div class="plots">
            <div><h3>Jobs that ended, by ${period.every}</h3><stint-plot label="Jobs that ended: ${figures.jobs} in all" .times=${figures.times} .words=${count} .lines=${stacked(figures)}></stint-plot></div>
            <div><h3>Time from submission to start</h3><stint-plot label="Waiting times" .times=${figures.times} .words=${seconds} .lines=${[
              { label: 'Half of the jobs', colour: '--stint-accent', values: figures.waitMedian },
              { label: '95 of 100', colour: '--stint-running', values: figures.waitHigh },
            ]}></stint-plot></div></div>
            <p class="quiet-text">From ${formatCount(figures.jobs)} jobs${figures.cut ? ', the latest of the period; there were more' : ''}.</p>`
          : html`<p class="quiet-text">Loading…</p>`
      }</section>`;
  }

  private renderIssues() {
    return html`<section class="panel" aria-labelledby="issues"><h2 id="issues">Reports of users</h2>
      ${
        this.issues.length === 0
          ? html`<p class="quiet-text">There are none.</p>`
          : html`<ul>${this.issues.map(
              (
                issue,
              ) => html`<li><div class="quiet-text">No. ${issue.id} · <time title=${formatTimeFull(issue.createTime)}>${formatTime(issue.createTime)}</time> · ${issue.reporter} ·
                <a href=${pathOf('jobs', issue.job?.id ?? '')}>job ${issue.job?.id}</a>, ${this.services.label(issue.job?.service)}</div><div class="words">${issue.description || 'No words were given.'}</div></li>`,
            )}</ul>`
      }</section>`;
  }

  override render() {
    return html`<div class="page">
      <h1>Operations</h1>
      ${this.problem ? html`<p role="alert" class="problem">${this.problem}</p>` : nothing}
      ${this.renderCounts()}
      <div class="columns">
        ${this.renderServer()}
        <section class="panel" aria-labelledby="queue"><h2 id="queue">Queue</h2>
          <stint-queue .rows=${this.queue} .total=${this.total} .now=${this.now}></stint-queue></section>
      </div>
      ${this.renderPlots()}
      ${this.renderIssues()}
    </div>`;
  }
}

// Bars that stand on each other: the sums are drawn one before the other, the highest first.
function stacked({ completed, failed, cancelled }: Figures): Line[] {
  const failedTop = completed.map((n, i) => n + (failed[i] ?? 0));
  return [
    {
      label: 'Cancelled',
      colour: '--stint-cancelled',
      values: failedTop.map((n, i) => n + (cancelled[i] ?? 0)),
      said: cancelled,
      bars: true,
    },
    { label: 'Failed', colour: '--stint-failed', values: failedTop, said: failed, bars: true },
    { label: 'Completed', colour: '--stint-completed', values: completed, bars: true },
  ];
}

const count = (n: number) => (Number.isInteger(n) ? formatCount(n) : '');
const seconds = (n: number) => shortMillis(n * 1000);

declare global {
  interface HTMLElementTagNameMap {
    [tag]: OperatorsPage;
  }
}
