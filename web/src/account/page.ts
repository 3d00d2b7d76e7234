// The page at /account: who the user is to the server, and the API tokens of
// theirs for programs, to make and to revoke.

import { css, html, LitElement, nothing } from 'lit';
import { customElement, property, query, state } from 'lit/decorators.js';
import { renderTerms } from '../base/account';
import { call } from '../base/api';
import { serverNow } from '../base/clock';
import { ask } from '../base/dialog';
import { formatTime, formatTimeFull } from '../base/format';
import type { Route } from '../base/router';
import { sharedStyles } from '../base/styles';
import { toast } from '../base/toast';
import type { WhoAmIResponseJson } from '../gen/stint/auth/v1/auth_service_pb';
import type { CreateTokenResponseJson, ListTokensResponseJson, TokenJson } from '../gen/stint/auth/v1/token_service_pb';
import { tellErrors } from '../job/actions';
import './quotas';
import './sessions';

export const tag = 'stint-account-page';

const scopes: readonly [string, string][] = [
  ['jobs:read', 'see jobs, their logs and results'],
  ['jobs:write', 'submit, cancel and share jobs'],
  ['files:read', 'read the workspace'],
  ['files:write', 'change the workspace'],
];
const lives: readonly [number, string][] = [
  [30, '30 days'],
  [90, '90 days'],
  [365, 'a year'],
  [0, 'never: until it is revoked'],
];
const usualDays = 30;
/** The choice of all rights there is, which the server calls no scope at all. */
const everything = '*';
const hows: Record<string, string> = {
  session: 'with this browser',
  dev: 'not at all: the server takes everybody for you',
  token: 'by an API token',
  oidc: 'by a token of the issuer',
  certificate: 'by a client certificate',
};
const dayMillis = 86_400_000;

@customElement(tag)
export class AccountPage extends LitElement {
  static override styles = [
    sharedStyles,
    css`
      :host { display: block; }
      .page { max-width: 1000px; margin: 0 auto; padding: 14px 16px 64px; display: grid; gap: 12px; grid-template-columns: minmax(0, 1fr); }
      section { padding: 12px 16px 16px; min-width: 0; }
      h2 { margin-bottom: 10px; }
      dl { display: grid; grid-template-columns: auto 1fr; gap: 4px 14px; margin: 0; }
      dt { color: var(--stint-text-2); }
      dd { margin: 0; overflow-wrap: anywhere; }
      .scroll { overflow-x: auto; }
      table { border-collapse: collapse; width: 100%; }
      th { text-align: left; color: var(--stint-text-2); font-weight: 600; }
      th, td { padding: 5px 10px; border-bottom: 1px solid var(--stint-border); }
      td.words { overflow-wrap: anywhere; min-width: 160px; }
      form { display: grid; gap: 12px; margin-top: 16px; justify-items: start; }
      form label { display: grid; gap: 4px; font-weight: 550; }
      form input[type='text'] { width: min(420px, 80vw); }
      fieldset { border: 1px solid var(--stint-border); border-radius: var(--stint-radius); padding: 8px 14px; display: grid; gap: 6px; }
      fieldset label { display: flex; gap: 8px; font-weight: 400; }
      .secret { display: grid; gap: 8px; padding: 12px; background: var(--stint-accent-2); border-radius: var(--stint-radius); margin-top: 12px; }
      code { overflow-wrap: anywhere; user-select: all; }
      p { margin: 0; color: var(--stint-text-2); }
      .problem { color: var(--stint-danger); }
    `,
  ];

  @property({ attribute: false }) route: Route | undefined;
  @state() private who: WhoAmIResponseJson | undefined;
  @state() private tokens: TokenJson[] = [];
  @state() private made: CreateTokenResponseJson | undefined;
  @state() private problem = '';
  /** Whether a token was asked for that may do nothing. */
  @state() private missing = false;
  @query('form') private form!: HTMLFormElement;
  private life = new AbortController();

  override connectedCallback(): void {
    super.connectedCallback();
    this.life = new AbortController();
    void this.read();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.life.abort();
    this.made = undefined; // a secret is shown once
  }

  private async read(): Promise<void> {
    const { signal } = this.life;
    try {
      this.who = await call<WhoAmIResponseJson>('GET', 'v1/auth/whoami', { signal });
      const query = { user: this.who.user ?? '', pageToken: '' };
      const tokens: TokenJson[] = [];
      do {
        const page = await call<ListTokensResponseJson>('GET', 'v1/admin/tokens', { query, signal });
        tokens.push(...(page.tokens ?? []));
        query.pageToken = page.nextPageToken ?? '';
      } while (query.pageToken !== '');
      this.tokens = tokens;
      this.problem = '';
    } catch (error) {
      if (!signal.aborted) this.problem = (error as Error).message;
    }
  }

  private create(event: Event): Promise<void> {
    event.preventDefault();
    const data = new FormData(this.form);
    const days = Number(data.get('days'));
    const scopes = data.getAll('scope').map(String);
    this.missing = scopes.length === 0;
    if (this.missing) return Promise.resolve();
    const body = {
      description: String(data.get('description')).trim(),
      scopes: scopes.includes(everything) ? [] : scopes,
      ...(days > 0 && { expireTime: new Date(serverNow() + days * dayMillis).toISOString() }),
    };
    return tellErrors(async () => {
      this.made = await call<CreateTokenResponseJson>('POST', 'v1/admin/tokens', { body });
      this.form.reset();
      await this.read();
    });
  }

  private async revoke(token: TokenJson): Promise<void> {
    const agreed = await ask({
      title: `Revoke “${token.description || token.id}”?`,
      body: 'Programs that use it stop working at once. This cannot be taken back.',
      confirm: 'Revoke the token',
      danger: true,
    });
    if (agreed === undefined) return;
    await tellErrors(async () => {
      await call('DELETE', `v1/admin/tokens/${encodeURIComponent(token.id ?? '')}`);
      toast('The token is revoked.', { kind: 'success' });
      await this.read();
    });
  }

  private async copy(secret: string): Promise<void> {
    try {
      await navigator.clipboard.writeText(secret);
      toast('The token is copied.', { kind: 'success' });
    } catch {
      toast('The browser does not allow to copy. Select the token and copy it yourself.');
    }
  }

  private renderWho() {
    const { who } = this;
    if (!who) return nothing;
    return html`<dl>
      <dt>User</dt><dd>${who.user}</dd><dt>Roles</dt><dd>${who.roles?.join(', ')}</dd>
      <dt>Signed in</dt><dd>${hows[who.how ?? ''] ?? who.how}</dd>
      ${who.expireTime ? html`<dt>Until</dt><dd>${formatTimeFull(who.expireTime)}, if it is not used before</dd>` : nothing}
    </dl>`;
  }

  private renderMade() {
    const { made } = this;
    if (!made?.secret) return nothing;
    const secret = made.secret;
    return html`<div class="secret" role="status">
      <b>This is the new token. It is shown this once.</b><code>${secret}</code>
      <div><button class="button" @click=${() => this.copy(secret)}>Copy</button>
        <button class="button quiet" @click=${() => (this.made = undefined)}>Done</button></div></div>`;
  }

  private renderToken(token: TokenJson) {
    const time = (at: string | undefined, otherwise: string) =>
      at ? html`<time title=${formatTimeFull(at)}>${formatTime(at)}</time>` : otherwise;
    return html`<tr><td class="words">${token.description || token.id}</td><td class="words">${token.scopes?.join(', ') || 'everything'}</td>
      <td>${time(token.createTime, '')}</td><td>${time(token.lastUseTime, 'never')}</td><td>${time(token.expireTime, 'never')}</td>
      <td><button class="button quiet" aria-label="Revoke ${token.description || token.id}" @click=${() => this.revoke(token)}>Revoke</button></td></tr>`;
  }

  private renderTokens() {
    if (this.tokens.length === 0) return html`<p>There are none.</p>`;
    return html`<div class="scroll" tabindex="0" role="region" aria-label="Your API tokens"><table>
      <thead><tr><th scope="col">For</th><th scope="col">May</th><th scope="col">Made</th><th scope="col">Last used</th><th scope="col">Ends</th><th scope="col"><span class="visually-hidden">Revoke</span></th></tr></thead>
      <tbody>${this.tokens.map((token) => this.renderToken(token))}</tbody></table></div>`;
  }

  private renderForm() {
    return html`<form @submit=${this.create}>
      <label>What is it for? <input class="input" type="text" name="description" required maxlength="200" autocomplete="off"></label>
      <label>It ends after <select class="select" name="days">${lives.map(([days, words]) => html`<option value=${days} ?selected=${days === usualDays}>${words}</option>`)}</select></label>
      <fieldset><legend>It may</legend>
        ${scopes.map(([scope, words]) => html`<label><input type="checkbox" name="scope" value=${scope} ?checked=${scope === 'jobs:read'}> ${words}</label>`)}
        <label><input type="checkbox" name="scope" value=${everything}> everything that you may</label></fieldset>
      ${this.missing ? html`<p class="problem" role="alert">Choose what the token may do.</p>` : nothing}
      <button class="button primary">Make a token</button></form>`;
  }

  override render() {
    return html`<div class="page"><h1>Account</h1>${renderTerms()}
      ${this.problem ? html`<p class="problem" role="alert">${this.problem}</p>` : nothing}
      <section class="panel" aria-labelledby="you"><h2 id="you">You</h2>${this.renderWho()}</section>
      ${this.who?.how === 'session' ? html`<section class="panel" aria-labelledby="sessions"><h2 id="sessions">Signed in</h2><stint-sessions></stint-sessions></section>` : nothing}
      <section class="panel" aria-labelledby="limits"><h2 id="limits">What you use</h2><stint-quotas></stint-quotas></section>
      <section class="panel" aria-labelledby="tokens"><h2 id="tokens">API tokens</h2>
        <p>For programs and scripts: they are you to the server. Keep them secret.</p>
        ${this.renderMade()}${this.renderTokens()}${this.renderForm()}</section></div>`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    [tag]: AccountPage;
  }
}
