// The form for a new job of a service, drawn from its spec.
import { css, html, LitElement, nothing } from 'lit';
import { customElement, property, state } from 'lit/decorators.js';
import { ApiError } from '../base/api';
import { ask } from '../base/dialog';
import { dropDraft, keepDraft, readDraft } from '../base/drafts';
import { followSession } from '../base/follow';
import { durationMillis, formatBytes, formatMillis, formatTime } from '../base/format';
import { icon } from '../base/icons';
import { navigate, pathOf } from '../base/router';
import { sharedStyles } from '../base/styles';
import { toast } from '../base/toast';
import { reasonWords, visible } from '../base/words';
import type { ParameterJson, ServiceJson } from '../gen/stint/catalog/v1/catalog_service_pb';
import type { JobJson } from '../gen/stint/jobs/v1/job_pb';
import type { TakeEvent } from './advice';
import { type Draft, draftOf, valuesOf } from './draft';
import { type DraftEvent, type Field, sentence } from './field';
import {
  atFields,
  moreFields,
  optionDrafts,
  optionPaths,
  outputFields,
  readOptions,
  writeDuration,
  writeNamed,
  writeSize,
} from './options';
import { type Answer, newRequestId, send } from './send';
import './advice';
import './field';

/** What is kept of a form while its user is elsewhere. */
interface Kept {
  shape: string;
  drafts: Record<string, Draft>;
  options: Record<string, Draft>;
  requestId: string;
}

@customElement('stint-submit-form')
export class SubmitForm extends LitElement {
  static override styles = [
    sharedStyles,
    css`
      :host { display: block; }
      form { display: grid; grid-template-columns: minmax(0, 1fr); gap: 12px; }
      section { padding: 14px 18px 18px; display: grid; grid-template-columns: minmax(0, 1fr); gap: 16px; }
      .two { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(240px, 100%), 1fr)); gap: 16px; }
      details > .two, details > stint-advice { margin-top: 14px; }
      summary { cursor: pointer; font-weight: 600; width: fit-content; }
      .problems { border-inline-start: 4px solid var(--stint-danger); padding: 12px 16px; display: grid; gap: 6px; }
      .problems:focus { outline: none; }
      .problems h2 { color: var(--stint-danger); }
      .problems ul { margin: 0; padding-inline-start: 18px; display: grid; gap: 2px; }
      .problems li button { font: inherit; color: var(--stint-text); background: none; border: 0; padding: 0; text-align: start; text-decoration: underline; cursor: pointer; overflow-wrap: anywhere; }
      .would:focus { outline: none; }
      .restored { margin: 0; display: flex; flex-wrap: wrap; gap: 8px 14px; align-items: center; justify-content: space-between; padding: 8px 18px; }
      .would { border-inline-start: 4px solid var(--stint-accent); padding: 12px 16px; display: grid; gap: 4px; }
      .buttons { position: sticky; bottom: 0; display: flex; flex-wrap: wrap; gap: 8px; align-items: center; padding: 12px 0; background: linear-gradient(transparent, var(--stint-bg) 30%); }
      .buttons .button { min-height: 38px; padding: 0 18px; }
      .error { color: var(--stint-danger); margin: 10px 0 0; font-weight: 550; }
      .star { color: var(--stint-danger); }
    `,
  ];

  @property({ attribute: false }) service: ServiceJson = {};
  /** The job to repeat. */
  @property({ attribute: false }) rerunOf: JobJson | undefined;
  /** What the new job is to have otherwise than the one to repeat, as it would be typed. */
  @property({ attribute: false }) wanted: { memory: string; timeLimit: string } = { memory: '', timeLimit: '' };
  @state() private drafts: Record<string, Draft> = {};
  @state() private options: Record<string, Draft> = {};
  @state() private errors: Map<string, string> = new Map();
  @state() private problem = '';
  @state() private would: Answer | undefined;
  @state() private busy = false;
  /** Whether the form came back as its user left it. */
  @state() private restored = false;
  /** Whether the fields of what few people change are open. */
  @state() private moreOpen = false;
  private readonly session = followSession(this);
  private optionsBefore = '';
  private requestId = newRequestId();

  override willUpdate(changed: Map<string, unknown>): void {
    if (!changed.has('service') && !changed.has('rerunOf')) return;
    this.begin();
    const kept = readDraft<Kept>(this.draftName);
    this.restored = kept?.shape === this.shape;
    if (!kept || !this.restored) return;
    this.drafts = kept.drafts;
    this.options = kept.options;
    this.requestId = kept.requestId;
  }

  // begin fills the form in as it is before anybody typed into it.
  private begin(): void {
    const values = this.rerunOf?.parameters as Record<string, unknown> | undefined;
    this.drafts = draftOf(this.service.parameters ?? [], values);
    this.options = optionDrafts(this.rerunOf);
    this.optionsBefore = this.beyondRerun();
    for (const [name, value] of Object.entries(this.wanted)) if (value) this.options[name] = value;
    this.requestId = newRequestId();
    this.errors = new Map();
    this.would = undefined;
    this.problem = '';
  }

  // What a rerun takes over as it is. Its output name it may change.
  private beyondRerun(): string {
    return JSON.stringify({ ...this.options, outputName: '' });
  }

  private get draftName(): string {
    return `form ${this.service.id}${this.rerunOf ? ` rerun ${this.rerunOf.id}` : ''}`;
  }

  // A draft fits the fields that it was typed into, and no others.
  private get shape(): string {
    const shapeOf = (specs: readonly ParameterJson[]): unknown =>
      specs.map((s) => [s.id, s.type, s.multiple, shapeOf(s.group ?? [])]);
    return JSON.stringify(shapeOf(this.service.parameters ?? []));
  }

  private startOver(): void {
    dropDraft(this.draftName);
    this.restored = false;
    this.begin();
  }

  private changed(): void {
    this.would = undefined;
    // Another request now: only the very same one may be answered by an earlier one.
    this.requestId = newRequestId();
    const { shape, drafts, options, requestId } = this;
    keepDraft(this.draftName, { shape, drafts, options, requestId } satisfies Kept);
  }

  private takeAdvice(event: TakeEvent): void {
    const { memoryBytes, timeLimit } = event.detail;
    const taken = { memory: writeSize(memoryBytes), timeLimit: writeDuration(timeLimit) };
    this.options = { ...this.options, ...Object.fromEntries(Object.entries(taken).filter(([, v]) => v)) };
    this.changed();
  }

  private async send(validateOnly: boolean): Promise<void> {
    if (this.busy) return;
    const { job, errors } = readOptions(this.options);
    if (errors.size > 0) return this.show(errors, '');
    this.busy = true;
    job.service = this.service.id ?? '';
    job.parameters = valuesOf(this.service.parameters ?? [], this.drafts) as NonNullable<JobJson['parameters']>;
    const beyondRerun = this.beyondRerun() !== this.optionsBefore;
    let reason = '';
    if (!validateOnly && !beyondRerun && this.session.foreign(this.rerunOf?.owner)) {
      const answer = await this.askReason();
      if (answer === undefined) {
        this.busy = false;
        return;
      }
      reason = answer;
    }
    try {
      const answer = await send({
        job,
        rerunOf: this.rerunOf,
        beyondRerun,
        requestId: validateOnly ? '' : this.requestId,
        validateOnly,
        reason,
      });
      this.errors = new Map();
      this.problem = '';
      if (validateOnly) await this.approve(answer);
      else this.submitted(answer);
    } catch (error) {
      await this.refused(error);
    } finally {
      this.busy = false;
    }
  }

  // An operator repeats somebody else's job.
  private askReason(): Promise<string | undefined> {
    const owner = visible(this.rerunOf?.owner);
    return ask({
      title: `Rerun a job of ${owner}?`,
      body: `The new job belongs to ${owner}. Your reason is kept with what you do.`,
      confirm: 'Rerun',
      text: { label: 'Why', required: true, maxLength: 250 },
    });
  }

  private submitted({ job, warnings }: Answer): void {
    dropDraft(this.draftName);
    for (const warning of warnings) toast(warning);
    toast(`Job ${job.id} is submitted.`, { kind: 'success' });
    navigate(pathOf('jobs', job.id ?? ''));
  }

  private async refused(error: unknown): Promise<void> {
    const errors = new Map<string, string>();
    if (!(error instanceof ApiError)) throw error;
    if (error.signedOut)
      return this.show(
        errors,
        'Your session has ended, so nothing was submitted. Sign in again: the form keeps what you typed.',
      );
    for (const { field, description } of error.violations) errors.set(field.replace(/^job\./, ''), description);
    await this.show(errors, error.violations.length > 0 ? '' : error.message);
  }

  private async show(errors: Map<string, string>, problem: string): Promise<void> {
    this.errors = atFields(errors);
    this.problem = problem;
    this.would = undefined;
    await this.updateComplete;
    this.renderRoot.querySelector<HTMLElement>('.problems')?.focus();
    this.renderRoot.querySelector<HTMLElement>('.problems')?.scrollIntoView({ block: 'nearest' });
  }

  // approve shows where one looks that all is well, as problems are shown.
  private async approve(answer: Answer): Promise<void> {
    this.would = answer;
    await this.updateComplete;
    const panel = this.renderRoot.querySelector<HTMLElement>('.would');
    panel?.focus({ preventScroll: true });
    panel?.scrollIntoView({ block: 'nearest' });
  }

  private fields(): Field[] {
    return [...this.renderRoot.querySelectorAll('stint-field')];
  }

  private goTo(path: string): void {
    if (/^(resources|priority|labels)/.test(path)) this.renderRoot.querySelector('details')?.setAttribute('open', '');
    this.fields().some((field) => field.focusPath(path === 'resources' ? 'resources.cpus' : path));
  }

  // labelOf names a place as the form does: `Library 2, Name`.
  private labelOf(path: string): string {
    const option = [...outputFields, ...moreFields].find((f) => optionPaths[f.id ?? ''] === path);
    if (option) return option.label ?? '';
    if (path === 'resources') return 'Resources';
    let specs: ParameterJson[] = this.service.parameters ?? [];
    const words = [];
    for (const part of path.replace(/^parameters\.?/, '').split('.')) {
      const [, name = '', index] = /^([^[]*)(?:\[(\d+)\])?$/.exec(part) ?? [];
      const spec = specs.find((s) => s.id === name);
      if (!spec) return path;
      words.push(`${spec.label || name}${index === undefined ? '' : ` ${Number(index) + 1}`}`);
      specs = spec.group ?? [];
    }
    return words.join(', ');
  }

  private renderProblems() {
    if (this.errors.size === 0 && !this.problem) return nothing;
    const { size } = this.errors;
    return html`<div class="problems panel" role="alert" tabindex="-1">
      <h2>${this.problem || (size === 1 ? 'One thing has to be corrected' : `${size} things have to be corrected`)}</h2>
      ${size > 0 ? html`<ul>${[...this.errors].map(([path, text]) => html`<li><button type="button" @click=${() => this.goTo(path)}>${this.labelOf(path)}: ${uncapitalized(sentence(text))}</button></li>`)}</ul>` : nothing}
    </div>`;
  }

  private renderWould() {
    const { would } = this;
    if (!would) return nothing;
    const { job, warnings } = would;
    const {
      cpus = 0,
      memoryBytes,
      timeLimit,
      gpus = 0,
      named,
      account,
      partition,
      qos,
      constraint,
    } = job.resources ?? {};
    const ofCluster = Object.entries({ account, partition, 'quality of service': qos, constraint })
      .filter(([, name]) => name)
      .map((words) => words.join(' '));
    const more = [gpus && `${gpus} ${gpus === 1 ? 'GPU' : 'GPUs'}`, writeNamed(named), ...ofCluster]
      .filter(Boolean)
      .join(', ');
    const limit = durationMillis(timeLimit);
    return html`<div class="would panel" role="status" tabindex="-1">
      <b>All is well: the job could be submitted.</b>
      <span>It would take ${cpus} ${cpus === 1 ? 'core' : 'cores'} and ${formatBytes(memoryBytes)} of memory${more ? `, ${more}` : ''}${limit > 0 ? `, for at most ${formatMillis(limit)}` : ''}.</span>
      <span>${job.message || (reasonWords(job.reason) ? `It ${reasonWords(job.reason)}.` : '')}</span>
      ${job.expectedStartTime ? html`<span>It should start ${formatTime(job.expectedStartTime)}.</span>` : job.expectationNote ? html`<span>${job.expectationNote}</span>` : nothing}
      ${warnings.map((w) => html`<span>${icon('failed')} ${w}</span>`)}
    </div>`;
  }

  private renderField(
    spec: ParameterJson,
    path: string,
    drafts: Record<string, Draft>,
    set: (drafts: Record<string, Draft>) => void,
  ) {
    const name = spec.id ?? '';
    return html`<stint-field .spec=${spec} .draft=${drafts[name] ?? ''} path=${path} .errors=${this.errors} @draft=${(
      e: DraftEvent,
    ) => {
      set({ ...drafts, [name]: e.draft });
      this.changed();
    }}></stint-field>`;
  }

  private renderOptionFields(specs: ParameterJson[]) {
    return specs.map((spec) =>
      this.renderField(spec, optionPaths[spec.id ?? ''] ?? '', this.options, (drafts) => {
        this.options = drafts;
      }),
    );
  }

  // The defaults stand in the fields as hints, not as values: what is left out follows the service when it changes.
  private get more(): ParameterJson[] {
    const { cpus, memoryBytes, timeLimit, gpus, named, ...ofCluster } = this.service.defaultResources ?? {};
    const defaults: Record<string, string> = {
      ...ofCluster,
      cpus: String(cpus ?? ''),
      memory: writeOr(formatBytes(memoryBytes)),
      timeLimit: formatMillis(durationMillis(timeLimit)),
      gpus: String(gpus ?? ''),
      named: writeNamed(named),
    };
    return moreFields.map((f) => {
      const value = defaults[f.id ?? ''];
      const own = value ? `The service’s own is ${value}.` : '';
      const advised = this.service.takesAdvice && (f.id === 'memory' || f.id === 'timeLimit');
      const words = advised ? `Left empty, it is as advised, once there is advice. ${own}` : own;
      return words ? { ...f, description: `${f.description ?? ''} ${words}`.trim() } : f;
    });
  }

  override render() {
    const { service } = this;
    const parameters = service.parameters ?? [];
    // Operators may submit also then, to try whether all is well again.
    const { session } = this;
    const shut = session.status?.submissionsOpen === false;
    const closed = shut && !session.operator;
    const moreGiven = moreFields.some(
      (f) => this.options[f.id ?? ''] && (this.restored || Object.values(this.wanted).some(Boolean)),
    );
    const moreErrors = [...this.errors.keys()].some((path) => /^(resources|priority|labels)/.test(path));
    return html`<form novalidate @submit=${(e: Event) => {
      e.preventDefault();
      void this.send(false);
    }}>
      ${
        this.restored
          ? html`<p class="restored panel" role="status"><span>The form is as you left it.</span>
            <button type="button" class="button" @click=${() => this.startOver()}>Start over</button></p>`
          : nothing
      }
      ${this.renderProblems()}
      ${
        parameters.length > 0
          ? html`<section class="panel" aria-label="Parameters">${parameters.map((spec) =>
              this.renderField(spec, `parameters.${spec.id}`, this.drafts, (drafts) => {
                this.drafts = drafts;
              }),
            )}</section>`
          : nothing
      }
      <section class="panel" aria-label="Output"><div class="two">${this.renderOptionFields(outputFields)}</div>
        <details ?open=${moreErrors || moreGiven} @toggle=${(e: Event) => {
          this.moreOpen = (e.target as HTMLDetailsElement).open;
        }}><summary>Resources, priority and labels</summary>${this.errors.has('resources') ? html`<p class="error">${sentence(this.errors.get('resources') ?? '')}</p>` : nothing}<stint-advice .service=${service.id ?? ''} .parameters=${valuesOf(parameters, this.drafts)} ?active=${this.moreOpen} @take=${this.takeAdvice}></stint-advice><div class="two">${this.renderOptionFields(this.more)}</div></details></section>
      ${this.renderWould()}
      <div class="buttons">
        <button class="button primary" ?disabled=${this.busy || service.available === false || closed}>${this.rerunOf ? 'Rerun' : 'Submit'}</button>
        <button type="button" class="button" data-action="check" ?disabled=${this.busy} @click=${() => this.send(true)}>Check only</button>
        <span class="quiet-text">${service.available === false ? service.unavailableReason : shut ? (closed ? 'New jobs are not accepted at the moment.' : 'Only operators may submit at the moment.') : html`<span class="star">*</span> must be given`}</span>
      </div>
    </form>`;
  }
}

const uncapitalized = (text: string) => text.charAt(0).toLowerCase() + text.slice(1);
const writeOr = (text: string) => (text === '0 B' ? '' : text);

declare global {
  interface HTMLElementTagNameMap {
    'stint-submit-form': SubmitForm;
  }
}
