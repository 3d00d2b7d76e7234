// The catalog of services at /services, and the form for one of them at /submit/SERVICE.
import { css, html, LitElement, nothing } from 'lit';
import { customElement, property, state } from 'lit/decorators.js';
import { getJob, listServices } from '../base/calls';
import { followSession } from '../base/follow';
import { icon } from '../base/icons';
import { pathOf, type Route } from '../base/router';
import { sharedStyles } from '../base/styles';
import type { ServiceJson } from '../gen/stint/catalog/v1/catalog_service_pb';
import type { JobJson } from '../gen/stint/jobs/v1/job_pb';
import './form';

export const tag = 'stint-submit-page';

@customElement(tag)
export class SubmitPage extends LitElement {
  static override styles = [
    sharedStyles,
    css`
      :host { display: block; }
      .page { max-width: 860px; margin: 0 auto; padding: 14px 16px 24px; }
      .page.catalog { max-width: 1100px; padding-bottom: 60px; }
      header { display: grid; gap: 4px; margin-bottom: 14px; }
      header p { margin: 0; max-width: 70ch; }
      .back { display: inline-flex; align-items: center; gap: 4px; width: fit-content; text-decoration: none; color: var(--stint-text-2); }
      .top { display: flex; flex-wrap: wrap; gap: 10px; align-items: center; margin-bottom: 6px; }
      .top h1 { flex: 1; }
      h2 { margin: 20px 0 8px; color: var(--stint-text-2); font-size: 0.95rem; }
      ul { list-style: none; margin: 0; padding: 0; display: grid; grid-template-columns: repeat(auto-fill, minmax(270px, 1fr)); gap: 10px; }
      li { display: grid; }
      .card { display: grid; gap: 4px; align-content: start; padding: 12px 16px; text-decoration: none; color: inherit; }
      a.card:hover { border-color: var(--stint-accent); background: var(--stint-hover); }
      .card b { font-size: 1.05rem; color: var(--stint-accent); }
      .card.off b { color: var(--stint-text-2); }
      .card span { color: var(--stint-text-2); overflow-wrap: anywhere; }
      .problem { padding: 48px 20px; display: grid; gap: 12px; justify-items: center; }
      .off-note { padding: 10px 14px; border-radius: var(--stint-radius); background: var(--stint-failed-bg); color: var(--stint-failed); }
    `,
  ];

  @property({ attribute: false }) route: Route | undefined;
  @state() private services: ServiceJson[] | undefined;
  @state() private rerunOf: JobJson | undefined;
  @state() private problem = '';
  @state() private filter = '';
  private readonly session = followSession(this);
  private shown = '';

  override willUpdate(changed: Map<string, unknown>): void {
    const key = `${this.route?.params.service ?? ''}?${this.route?.query.get('rerun') ?? ''}`;
    if (!changed.has('route') || key === this.shown) return;
    this.shown = key;
    void this.load(key);
  }

  private async load(key: string): Promise<void> {
    this.problem = '';
    this.services = undefined;
    this.rerunOf = undefined;
    const rerun = this.route?.query.get('rerun');
    try {
      // A draft is its user's alone, so the form waits until it is known who that is.
      const known = this.session.user === undefined ? this.session.refresh() : undefined;
      const [services, job] = await Promise.all([listServices(), rerun ? getJob(rerun) : undefined, known]);
      if (this.shown !== key) return;
      this.rerunOf = job;
      this.services = services;
    } catch (error) {
      if (this.shown === key) this.problem = (error as Error).message;
    }
  }

  private renderCard(service: ServiceJson) {
    const off = service.available === false;
    const words = html`<b>${service.label}</b><span>${off ? service.unavailableReason : service.description}</span>`;
    return html`<li>${off ? html`<div class="card panel off">${words}</div>` : html`<a class="card panel" href=${pathOf('submit', service.id ?? '')}>${words}</a>`}</li>`;
  }

  private renderCatalog(services: ServiceJson[]) {
    const word = this.filter.toLowerCase();
    const matching = services.filter((s) =>
      `${s.id} ${s.label} ${s.description} ${s.category}`.toLowerCase().includes(word),
    );
    const groups = [...new Set(matching.map(categoryOf))].sort();
    return html`<div class="page catalog">
      <div class="top"><h1>New job</h1>
        <input class="input" type="search" placeholder="Find a service" aria-label="Find a service" .value=${this.filter} @input=${(
          e: Event,
        ) => {
          this.filter = (e.target as HTMLInputElement).value;
        }}></div>
      ${groups.map(
        (name) =>
          html`<section><h2>${name}</h2><ul>${matching.filter((s) => categoryOf(s) === name).map((s) => this.renderCard(s))}</ul></section>`,
      )}
      ${matching.length === 0 ? html`<p class="quiet-text">No service is like that.</p>` : nothing}
    </div>`;
  }

  private renderForm(service: ServiceJson) {
    const { rerunOf } = this;
    const query = this.route?.query;
    const wanted = { memory: query?.get('memory') ?? '', timeLimit: query?.get('timeLimit') ?? '' };
    return html`<div class="page">
      <header>
        <a class="back" href=${rerunOf ? pathOf('jobs', rerunOf.id ?? '') : 'services'}>${icon('left')} ${rerunOf ? `Job ${rerunOf.id}` : 'Services'}</a>
        <h1>${service.label}</h1>
        <p class="quiet-text">${service.description}</p>
        ${rerunOf ? html`<p>Filled in with the parameters of <a href=${pathOf('jobs', rerunOf.id ?? '')}>job ${rerunOf.id}, ${rerunOf.outputName}</a>.</p>` : nothing}
        ${service.available === false ? html`<p class="off-note">${service.unavailableReason}</p>` : nothing}
      </header>
      <stint-submit-form .service=${service} .rerunOf=${rerunOf} .wanted=${wanted}></stint-submit-form>
    </div>`;
  }

  override render() {
    if (this.problem)
      return html`<div class="problem"><h1>${this.problem}</h1><a class="button" href="services">Go to the services</a></div>`;
    const { services } = this;
    if (!services) return html`<div class="problem quiet-text" role="status">Loading…</div>`;
    const id = this.route?.params.service;
    if (!id) return this.renderCatalog(services);
    const service = services.find((s) => s.id === id);
    if (!service)
      return html`<div class="problem"><h1>There is no service ${id}.</h1><a class="button" href="services">Go to the services</a></div>`;
    return this.renderForm(service);
  }
}

const categoryOf = (service: ServiceJson) => service.category || 'Others';

declare global {
  interface HTMLElementTagNameMap {
    [tag]: SubmitPage;
  }
}
