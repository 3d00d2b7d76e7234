// What is around every page: the navigation, the notices of the server, and the
// place where the page of the address is shown.
import { css, html, LitElement, nothing } from 'lit';
import { customElement, state } from 'lit/decorators.js';
import '../indicator/indicator';
import { mustSignIn, renderAccount, renderEnded, renderSignIn } from './account';
import { followSession, followTheme } from './follow';
import { icon } from './icons';
import { followLinks, matchRoute, onNavigate, type PageElement, type Route } from './router';
import { loadPage, routes } from './routes';
import { sharedStyles } from './styles';
import { currentTheme, setTheme, themes } from './theme';

@customElement('stint-app')
export class App extends LitElement {
  static override styles = [
    sharedStyles,
    css`
      :host { display: flex; flex-direction: column; height: 100dvh; }
      header { display: flex; align-items: center; gap: 4px; padding: 0 16px; min-height: 48px; background: var(--stint-surface); border-bottom: 1px solid var(--stint-border); }
      .brand { font-weight: 750; font-size: 1.1rem; letter-spacing: -0.02em; margin-right: 12px; color: var(--stint-text); text-decoration: none; }
      .brand b { color: var(--stint-accent); }
      nav { display: flex; flex: 1; gap: 2px; overflow-x: auto; }
      nav a { color: var(--stint-text-2); text-decoration: none; padding: 6px 12px; border-radius: var(--stint-radius); font-weight: 550; white-space: nowrap; }
      nav a:hover { color: var(--stint-text); background: var(--stint-surface-2); }
      nav a[aria-current] { color: var(--stint-text); background: var(--stint-accent-2); }
      .user { display: inline-flex; align-items: center; gap: 6px; color: var(--stint-text-2); max-width: 180px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; text-decoration: none; }
      .user:hover { color: var(--stint-text); }
      .notice { padding: 8px 16px; background: var(--stint-running-bg); color: var(--stint-running); font-weight: 550; overflow-wrap: anywhere; }
      .notice a { color: inherit; }
      main { flex: 1; min-height: 0; overflow: auto; display: block; }
      main:focus { outline: none; }
      .problem { padding: 48px 20px; max-width: 560px; margin: 0 auto; display: grid; gap: 12px; justify-items: start; }
      .skip { position: absolute; left: 8px; top: -60px; z-index: 100; }
      .skip:focus { top: 6px; }
      /* On a narrow screen it has a line of its own and covers nothing. */
      @media (max-width: 720px) {
        stint-indicator { position: static; align-self: flex-end; margin: 4px 8px 6px; }
      }
      @media (max-width: 560px) {
        header { padding: 0 8px; }
        .user span { display: none; }
        nav a { padding: 6px 9px; }
        .brand { margin-right: 4px; }
      }
    `,
  ];

  @state() private route: Route | undefined;
  @state() private problem: string | undefined;
  private readonly session = followSession(this);
  private page: PageElement | undefined;
  private life = new AbortController();

  constructor() {
    super();
    followTheme(this);
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.life = new AbortController();
    followLinks(this.life.signal);
    onNavigate(() => this.follow(), this.life.signal);
    document.addEventListener('visibilitychange', () => document.hidden || this.session.refresh(), {
      signal: this.life.signal,
    });
    void this.session.refresh();
    this.follow();
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.life.abort();
  }

  // follow shows the page of the address. The element stays while the next address has the same one.
  private async follow(): Promise<void> {
    const route = matchRoute(new URL(location.href));
    const same = route?.spec.folder === this.route?.spec.folder && this.page !== undefined;
    this.route = route;
    this.problem = undefined;
    if (!route) {
      this.page = undefined;
      this.problem = 'There is no such page.';
      return;
    }
    document.title = `${route.spec.title} · Stint`;
    if (!same) await this.show(route);
    if (this.page && this.route === route) this.page.route = route;
  }

  private async show(route: Route): Promise<void> {
    const first = this.page === undefined;
    try {
      const { tag } = await loadPage(route.spec);
      if (this.route !== route) return;
      this.page = document.createElement(tag) as PageElement;
      this.page.route = route;
      this.requestUpdate();
      await this.updateComplete;
      // The reader hears the new page; the first one is announced by the browser.
      if (!first) this.renderRoot.querySelector('main')?.focus({ preventScroll: true });
    } catch {
      if (this.route === route) {
        this.page = undefined;
        this.problem = 'This page could not be loaded. The server may have been replaced by a newer one.';
      }
    }
  }

  // The stream ends with the session, and is the first to know.
  private onCounts(event: CustomEvent<{ live: boolean }>): void {
    if (!event.detail.live && !this.session.signedOut) void this.session.refresh();
  }

  private renderTheme() {
    const theme = currentTheme();
    const next = themes[(themes.indexOf(theme) + 1) % themes.length] ?? 'auto';
    const label = { auto: 'as the system', light: 'light', dark: 'dark' };
    return html`<button class="button quiet" title="Colours: ${label[theme]}. Change to: ${label[next]}."
      aria-label="Colours: ${label[theme]}. Change to: ${label[next]}."
      @click=${() => setTheme(next)}>${icon(theme)}</button>`;
  }

  private renderNotice() {
    const { status } = this.session;
    if (status?.submissionsOpen !== false) return nothing;
    return html`<div class="notice" role="status">New jobs are not accepted at the moment. ${status.message ?? ''}</div>`;
  }

  override render() {
    const { session } = this;
    const items = routes.filter((r) => r.nav && (!r.operators || session.operator || (r.auditors && session.auditor)));
    return html`
      <button class="button skip" @click=${() => this.renderRoot.querySelector('main')?.focus()}>Skip to content</button>
      <header>
        <a class="brand" href="jobs">Stint<b>.</b></a>
        <nav aria-label="Pages">
          ${items.map((r) => html`<a href=${r.pattern} aria-current=${r.folder === this.route?.spec.folder ? 'page' : nothing}>${r.nav}</a>`)}
        </nav>
        ${renderAccount(session)}
        ${this.renderTheme()}
      </header>
      ${renderEnded(session)}${this.renderNotice()}
      <main tabindex="-1">
        ${
          mustSignIn(session)
            ? renderSignIn(session)
            : this.problem
              ? html`<div class="problem"><h1>${this.problem}</h1><a class="button" href="jobs">Go to the jobs</a>
              <button class="button" @click=${() => location.reload()}>Load again</button></div>`
              : this.page
        }
      </main>
      <stint-indicator server="./" @stint-counts=${this.onCounts}></stint-indicator>`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'stint-app': App;
  }
}
