// The dialog in which an owner shares a job, right by right, and takes it back.
import { css, html, LitElement, nothing } from 'lit';
import { customElement, property, query, state } from 'lit/decorators.js';
import { ApiError, call } from '../base/api';
import { ask, type Dialog } from '../base/dialog';
import { sharedStyles } from '../base/styles';
import { toast } from '../base/toast';
import type { ListSharesResponseJson, ShareJson, ShareRightJson } from '../gen/stint/jobs/v1/job_service_pb';
import { tellErrors } from './actions';

const rights: readonly [ShareRightJson, string][] = [
  ['SHARE_RIGHT_HISTORY', 'its state, history and parameters'],
  ['SHARE_RIGHT_LOGS', 'what it prints'],
  ['SHARE_RIGHT_RESULTS', 'its results'],
  ['SHARE_RIGHT_RERUN', 'to run a job like it'],
];
const wordsOf = (share: ShareJson) =>
  rights
    .filter(([r]) => share.rights?.includes(r))
    .map(([, words]) => words)
    .join(', ');

@customElement('stint-share')
export class ShareDialog extends LitElement {
  static override styles = [
    sharedStyles,
    css`
      ul { list-style: none; margin: 0 0 16px; padding: 0; display: grid; gap: 8px; }
      li { display: grid; grid-template-columns: 1fr auto; gap: 2px 12px; align-items: center; overflow-wrap: anywhere; }
      li span { color: var(--stint-text-2); }
      form { display: grid; gap: 12px; }
      form > label { display: grid; gap: 4px; font-weight: 550; }
      fieldset { border: 1px solid var(--stint-border); border-radius: var(--stint-radius); padding: 8px 14px; display: grid; gap: 6px; }
      fieldset label { display: flex; gap: 8px; }
      p { margin: 0 0 12px; color: var(--stint-text-2); }
    `,
  ];

  @property({ attribute: false }) job = '';
  @state() private shares: ShareJson[] | undefined;
  @query('stint-dialog') private dialog!: Dialog;
  @query('form') private form!: HTMLFormElement;

  override firstUpdated(): void {
    void this.dialog.open();
    void this.read();
  }

  private path(verb: string): string {
    return `v1/jobs/${encodeURIComponent(this.job)}${verb}`;
  }

  private read(): Promise<void> {
    return tellErrors(async () => {
      const answer = await call<ListSharesResponseJson>('GET', this.path('/shares'), { query: { pageSize: 1000 } });
      this.shares = answer.shares ?? [];
    });
  }

  private share(event: Event): Promise<void> {
    event.preventDefault();
    const data = new FormData(this.form);
    const user = String(data.get('user')).trim();
    const give = (unknownUser: boolean) =>
      call('POST', this.path(':share'), {
        body: { user, unknownUser, rights: ['SHARE_RIGHT_HISTORY', ...data.getAll('right')] },
      });
    return tellErrors(async () => {
      try {
        await give(false);
      } catch (error) {
        if (!(error instanceof ApiError) || error.reason !== 'USER_UNKNOWN') throw error;
        const agreed = await ask({
          title: `Share with “${user}”?`,
          body: 'Nobody of that name was ever seen here. Is it spelled right? Whoever gets the name later sees the job.',
          confirm: 'Share all the same',
        });
        if (agreed === undefined) return;
        await give(true);
      }
      toast(`The job is shared with ${user}.`, { kind: 'success' });
      this.form.reset();
      await this.read();
    });
  }

  private unshare(user: string): Promise<void> {
    return tellErrors(async () => {
      await call('POST', this.path(':unshare'), { body: { user } });
      toast(`${user} can no longer see the job.`, { kind: 'success' });
      await this.read();
    });
  }

  private renderShares() {
    if (!this.shares) return nothing;
    if (this.shares.length === 0) return html`<p>Nobody else sees this job.</p>`;
    return html`<ul aria-label="Shared with">${this.shares.map(
      (
        share,
      ) => html`<li><b>${share.user}</b><button class="button quiet" aria-label="Take back from ${share.user}" @click=${() => this.unshare(share.user ?? '')}>Take back</button>
        <span>${wordsOf(share)}</span></li>`,
    )}</ul>`;
  }

  override render() {
    return html`<stint-dialog .title=${`Share job ${this.job}`} @close=${() => this.remove()}>
      ${this.renderShares()}
      <form id="share" @submit=${this.share}>
        <label>User <input class="input" name="user" required maxlength="128" autocomplete="off" spellcheck="false"></label>
        <fieldset><legend>They see its state, history and parameters, and</legend>
          ${rights.slice(1).map(([right, words]) => html`<label><input type="checkbox" name="right" value=${right}> ${words}</label>`)}</fieldset>
      </form>
      <button slot="actions" class="button" @click=${() => this.dialog.close()}>Done</button>
      <button slot="actions" class="button primary" @click=${() => this.form.requestSubmit()}>Share</button>
    </stint-dialog>`;
  }
}

/** Shows the dialog for a job. */
export function openShare(job: string): void {
  const element = document.createElement('stint-share');
  element.job = job;
  document.body.append(element);
}

declare global {
  interface HTMLElementTagNameMap {
    'stint-share': ShareDialog;
  }
}
