// Two jobs beside each other: what differs comes first.

import { css, html, LitElement, nothing } from 'lit';
import { customElement, property, state } from 'lit/decorators.js';
import { ApiError } from '../base/api';
import { getJob, listServices } from '../base/calls';
import { serverNow } from '../base/clock';
import { icon } from '../base/icons';
import { pathOf, type Route } from '../base/router';
import { setTitle } from '../base/site';
import { sharedStyles, stateStyles } from '../base/styles';
import { statePill, visible } from '../base/words';
import type { ServiceJson } from '../gen/stint/catalog/v1/catalog_service_pb';
import type { JobJson } from '../gen/stint/jobs/v1/job_pb';
import { differs, type Pair, parameterPairs } from './differences';
import { runPairs } from './runs';
import './files';
import './logs';

export const tag = 'stint-compare-page';

@customElement(tag)
export class ComparePage extends LitElement {
  static override styles = [
    sharedStyles,
    stateStyles,
    css`
      :host { display: block; }
      .page { max-width: 1500px; margin: 0 auto; padding: 14px 16px 64px; display: grid; gap: 12px; grid-template-columns: minmax(0, 1fr); }
      .back { display: inline-flex; align-items: center; gap: 4px; width: fit-content; text-decoration: none; color: var(--stint-text-2); }
      section.panel { padding: 12px 14px 14px; min-width: 0; }
      section.panel > h2 { margin-bottom: 10px; }
      table { border-collapse: collapse; width: 100%; table-layout: fixed; }
      th, td { padding: 5px 10px; text-align: start; vertical-align: top; border-bottom: 1px solid var(--stint-border); overflow-wrap: anywhere; white-space: pre-wrap; }
      th[scope="row"] { font-weight: 400; color: var(--stint-text-2); width: 26%; }
      tr.differs td { background: var(--stint-selected); font-weight: 550; }
      summary { cursor: pointer; color: var(--stint-accent); width: fit-content; margin-top: 8px; }
      .problem { padding: 48px 20px; display: grid; gap: 12px; justify-items: center; }
      p { margin: 0; }
    `,
  ];

  @property({ attribute: false }) route: Route | undefined;
  @state() private jobs: readonly [JobJson, JobJson] | undefined;
  @state() private service: ServiceJson | undefined;
  @state() private problem = '';
  private life = new AbortController();

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.life.abort();
  }

  override willUpdate(changed: Map<string, unknown>): void {
    if (changed.has('route')) void this.load();
  }

  private async load(): Promise<void> {
    this.life.abort();
    this.life = new AbortController();
    const { signal } = this.life;
    const { one = '', two = '' } = this.route?.params ?? {};
    this.jobs = undefined;
    this.problem = '';
    try {
      const [a, b, services] = await Promise.all([
        getJob(one, signal),
        getJob(two, signal),
        listServices().catch(() => []),
      ]);
      if (signal.aborted) return;
      this.jobs = [a, b];
      this.service = services.find((s) => s.id === a.service);
      setTitle(`Jobs ${one} and ${two}`);
    } catch (error) {
      if (signal.aborted) return;
      const gone = error instanceof ApiError && error.status === 404;
      this.problem = gone ? `There is no job ${one}, or no job ${two}.` : (error as Error).message;
    }
  }

  private renderPairs(pairs: readonly Pair[], caption: string) {
    const { one = '', two = '' } = this.route?.params ?? {};
    const cell = (text: string | undefined) =>
      html`<td>${text === undefined ? html`<span class="quiet-text">–</span>` : visible(text)}</td>`;
    return html`<table><caption class="visually-hidden">${caption}</caption>
      <thead><tr><th scope="col">What</th><th scope="col">Job ${one}</th><th scope="col">Job ${two}</th></tr></thead>
      <tbody>${pairs.map((pair) => html`<tr class=${differs(pair) ? 'differs' : ''}><th scope="row">${pair.label}</th>${cell(pair.one)}${cell(pair.two)}</tr>`)}</tbody></table>`;
  }

  private renderParameters([a, b]: readonly [JobJson, JobJson]) {
    const pairs = parameterPairs(a, b, this.service?.parameters ?? []);
    const [other, same] = [pairs.filter(differs), pairs.filter((p) => !differs(p))];
    return html`${other.length > 0 ? this.renderPairs(other, 'Parameters that differ') : html`<p>${pairs.length > 0 ? 'All parameters are the same.' : 'Neither job has parameters.'}</p>`}
      ${same.length > 0 && other.length > 0 ? html`<details><summary>${same.length} that are the same</summary>${this.renderPairs(same, 'Parameters that are the same')}</details>` : nothing}`;
  }

  override render() {
    if (this.problem)
      return html`<div class="problem"><h1>${this.problem}</h1><a class="button" href="jobs">Go to the jobs</a></div>`;
    const { jobs } = this;
    if (!jobs) return html`<div class="problem quiet-text" role="status">Loading…</div>`;
    const [one, two] = jobs;
    const { one: first = '', two: second = '' } = this.route?.params ?? {};
    const title = (job: JobJson) =>
      html`<a href=${pathOf('jobs', job.id ?? '')}>${visible(job.outputName) || `Job ${job.id}`}</a> ${statePill(job.state)}`;
    return html`<div class="page">
      <a class="back" href="jobs">${icon('left')} Jobs</a>
      <h1>Two jobs</h1>
      <p>${title(one)} and ${title(two)} <a class="button quiet" href=${pathOf('compare', second, first)}>Swap</a></p>
      ${one.service === two.service ? nothing : html`<p role="status">They are of different services.</p>`}
      <section class="panel" aria-labelledby="params"><h2 id="params">Parameters</h2>${this.renderParameters(jobs)}</section>
      <section class="panel" aria-labelledby="runs"><h2 id="runs">Runs</h2>${this.renderPairs(runPairs(one, two, serverNow()), 'Runs')}</section>
      <section class="panel" aria-labelledby="results"><h2 id="results">Results</h2><stint-compare-files one=${first} two=${second}></stint-compare-files></section>
      <section class="panel" aria-labelledby="logs"><h2 id="logs">Output</h2><stint-compare-logs one=${first} two=${second}></stint-compare-logs></section>
    </div>`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    [tag]: ComparePage;
  }
}
