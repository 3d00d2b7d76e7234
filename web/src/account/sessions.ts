// Where the user is signed in by a browser: to see, and to sign out there or everywhere.
import { css, html, LitElement, nothing } from 'lit';
import { customElement, state } from 'lit/decorators.js';
import { call } from '../base/api';
import { ask } from '../base/dialog';
import { formatTime, formatTimeFull } from '../base/format';
import { sharedStyles } from '../base/styles';
import { toast } from '../base/toast';
import type {
  ListSessionsResponseJson,
  SessionJson,
  SignOutEverywhereResponseJson,
} from '../gen/stint/auth/v1/session_service_pb';
import { tellErrors } from '../job/actions';

/** What a browser says of itself, in a few words. */
export function browserName(agent: string): string {
  const browser = /(Firefox|Edg|OPR|Chrome|Safari)\//.exec(agent)?.[1];
  const system = /(Windows|Android|iPhone|iPad|Mac OS X|CrOS|Linux)/.exec(agent)?.[1];
  const names: Record<string, string> = { Edg: 'Edge', OPR: 'Opera', 'Mac OS X': 'macOS', CrOS: 'ChromeOS' };
  const words = [browser, system].map((word) => (word ? (names[word] ?? word) : undefined)).filter(Boolean);
  return words.join(' on ') || agent || 'a browser';
}

@customElement('stint-sessions')
export class Sessions extends LitElement {
  static override styles = [
    sharedStyles,
    css`
      :host { display: block; }
      .scroll { overflow-x: auto; margin: 10px 0; }
      table { border-collapse: collapse; width: 100%; }
      th { text-align: left; color: var(--stint-text-2); font-weight: 600; }
      th, td { padding: 5px 10px; border-bottom: 1px solid var(--stint-border); }
      td.words { overflow-wrap: anywhere; min-width: 120px; }
      p { margin: 0; color: var(--stint-text-2); }
      .problem { color: var(--stint-danger); }
    `,
  ];

  @state() private sessions: SessionJson[] | undefined;
  @state() private problem = '';
  private life = new AbortController();

  override connectedCallback(): void {
    super.connectedCallback();
    this.life = new AbortController();
    void this.read();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.life.abort();
  }

  private async read(): Promise<void> {
    const { signal } = this.life;
    try {
      this.sessions = (await call<ListSessionsResponseJson>('GET', 'v1/auth/sessions', { signal })).sessions ?? [];
      this.problem = '';
    } catch (error) {
      if (!signal.aborted) this.problem = (error as Error).message;
    }
  }

  private async end(session: SessionJson): Promise<void> {
    await tellErrors(async () => {
      await call('DELETE', `v1/auth/sessions/${encodeURIComponent(session.id ?? '')}`);
      toast('That browser is signed out.', { kind: 'success' });
      await this.read();
    });
  }

  private async endAll(): Promise<void> {
    const agreed = await ask({
      title: 'Sign out everywhere?',
      body: 'All browsers are signed out at once, this one too, and so is what “stint login” has given to programs. API tokens stay.',
      confirm: 'Sign out everywhere',
      danger: true,
    });
    if (agreed === undefined) return;
    await tellErrors(async () => {
      await call<SignOutEverywhereResponseJson>('POST', 'v1/auth/sessions:signOut', { body: {} });
      location.reload();
    });
  }

  private renderSession(session: SessionJson) {
    const time = (at: string | undefined) =>
      at ? html`<time title=${formatTimeFull(at)}>${formatTime(at)}</time>` : '';
    const name = browserName(session.userAgent ?? '');
    return html`<tr><td class="words" title=${session.userAgent ?? ''}>${name}</td><td class="words">${session.address}</td>
      <td>${time(session.createTime)}</td><td>${time(session.lastUseTime)}</td>
      <td>${
        session.current
          ? 'this browser'
          : html`<button class="button quiet" aria-label="Sign out ${name} from ${session.address}" @click=${() => this.end(session)}>Sign out there</button>`
      }</td></tr>`;
  }

  override render() {
    if (this.problem) return html`<p class="problem" role="alert">${this.problem}</p>`;
    if (!this.sessions) return nothing;
    if (this.sessions.length === 0) return html`<p>Nobody is signed in as you by a browser.</p>`;
    return html`<p>Browsers in which you are signed in. Sign out where you do not know one.</p>
      <div class="scroll" tabindex="0" role="region" aria-label="Where you are signed in"><table>
        <thead><tr><th scope="col">Browser</th><th scope="col">From</th><th scope="col">Signed in</th><th scope="col">Last used</th>
          <th scope="col"><span class="visually-hidden">Sign out</span></th></tr></thead>
        <tbody>${this.sessions.map((session) => this.renderSession(session))}</tbody></table></div>
      <button class="button" @click=${this.endAll}>Sign out everywhere</button>`;
  }
}
