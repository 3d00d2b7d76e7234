// What is around every page: the navigation, the notices of the server, and the
// place where the page of the address is shown.

import { css, html, LitElement, nothing } from 'lit';
import { customElement, state } from 'lit/decorators.js';
import { setTitle, site, siteName } from './site';
import './tray';
import '../indicator/indicator';
import { mustSignIn, renderAccount, renderEnded, renderSignIn } from './account';
import { followMedia, followSession, followTheme } from './follow';
import { icon } from './icons';
import { followLinks, matchRoute, onNavigate, type PageElement, type Route } from './router';
import { loadPage, type RouteSpec, routes } from './routes';
import { sharedStyles } from './styles';
import { currentTheme, setTheme, themes } from './theme';

@customElement('stint-app')
export class App extends LitElement {
  static override styles = [
    sharedStyles,
    css`
      :host { display: flex; flex-direction: column; height: 100dvh; min-height: 200px; }
      header { display: flex; align-items: center; gap: 4px; padding: 0 16px; min-height: 48px; background: var(--stint-surface); border-bottom: 1px solid var(--stint-border); }
      .brand { font-weight: 750; font-size: 1.1rem; letter-spacing: -0.02em; margin-right: 12px; color: var(--stint-text); text-decoration: none; }
      .brand b { color: var(--stint-accent); }
      .brand:has(img, span) { display: inline-flex; align-items: center; gap: 8px; min-width: 0; }
      .brand img { height: 28px; max-width: 120px; }
      .brand span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
      nav { display: flex; flex: 1; gap: 2px; overflow-x: auto; }
      nav a { color: var(--stint-text-2); text-decoration: none; padding: 6px 12px; border-radius: var(--stint-radius); font-weight: 550; white-space: nowrap; }
      nav a:hover { color: var(--stint-text); background: var(--stint-surface-2); }
      nav a[aria-current] { color: var(--stint-text); background: var(--stint-accent-2); }
      .user { display: inline-flex; align-items: center; gap: 6px; color: var(--stint-text-2); max-width: 180px; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; text-decoration: none; }
      .user:hover { color: var(--stint-text); }
      .notice { padding: 8px 16px; background: var(--stint-running-bg); color: var(--stint-running); font-weight: 550; overflow-wrap: anywhere; }
      .notice a { color: inherit; }
      /* What is below a bar that stays in sight can be scrolled out from under it. */
      main { flex: 1; min-height: 0; overflow: auto; display: block; scroll-padding-block: 12px 84px; }
      main:focus { outline: none; }
      .problem { padding: 48px 20px; max-width: 560px; margin: 0 auto; display: grid; gap: 12px; justify-items: start; }
      .skip { position: absolute; left: 8px; top: -60px; z-index: 100; }
      .skip:focus { top: 6px; }
      /* It has a line of its own and covers nothing. */
      stint-indicator { position: static; align-self: flex-end; margin: 4px 16px 6px; }
      .menu { margin: 4px 0 0; padding: 6px; border: 1px solid var(--stint-border); border-radius: 8px; background: var(--stint-surface); color: inherit; box-shadow: var(--stint-shadow-2); inset: 46px auto auto; inset-inline-start: 8px; }
      .menu:not(:popover-open) { display: none; }
      .menu:popover-open { display: grid; }
      .menu a { padding: 9px 14px; }
      .where { flex: 1; min-width: 0; }
      .where .button { max-width: 100%; overflow: hidden; text-overflow: ellipsis; }
      .loading { position: absolute; z-index: 5; left: 50%; transform: translateX(-50%); top: 52px; padding: 3px 14px; border-radius: 999px; background: var(--stint-surface-2); border: 1px solid var(--stint-border); color: var(--stint-text); animation: late 0.15s step-end; }
      @keyframes late { from { opacity: 0; } }
      .first { padding: 48px 20px; text-align: center; color: var(--stint-text-2); }
      @media (max-width: 720px) {
        stint-indicator { margin: 4px 8px 6px; }
      }
      /* The chips of the list say the same as the indicator, and there is no line to spare. */
      @media (max-height: 520px) {
        stint-indicator.list { display: none; }
      }
      @media (max-width: 560px) {
        header { padding: 0 8px; }
        .user span { display: none; }
        .user { min-width: 34px; min-height: 34px; justify-content: center; }
        .brand { margin-right: 4px; }
        .brand:has(span) { max-width: 40%; }
        .brand:has(img) span { display: none; }
      }
    `,
  ];

  @state() private route: Route | undefined;
  @state() private problem: string | undefined;
  /** Whether the code of a page is on its way. */
  @state() private loading = false;
  private readonly session = followSession(this);
  /** Whether the names of the pages do not fit beside each other. */
  private readonly narrow = followMedia(this, '(max-width: 720px)');
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
    this.loading = false;
    if (!route) {
      this.page = undefined;
      this.problem = 'There is no such page.';
      return;
    }
    setTitle(route.spec.title);
    if (!same) await this.show(route);
    if (this.page && this.route === route) this.page.route = route;
  }

  private async show(route: Route): Promise<void> {
    const first = this.page === undefined;
    this.loading = true;
    try {
      const { tag } = await loadPage(route.spec);
      if (this.route !== route) return;
      this.loading = false;
      this.page = document.createElement(tag) as PageElement;
      this.page.route = route;
      this.requestUpdate();
      await this.updateComplete;
      const main = this.renderRoot.querySelector('main');
      if (!first && main) main.scrollTop = 0;
      // The reader hears the new page; the first one is announced by the browser.
      if (!first) this.renderRoot.querySelector('main')?.focus({ preventScroll: true });
    } catch {
      if (this.route === route) {
        this.loading = false;
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
    return html`<div class="notice" role="status">New jobs are not accepted at the moment. ${withLinks(status.message ?? '')}</div>`;
  }

  private renderPages(items: readonly RouteSpec[]) {
    const here = this.route?.spec.folder;
    const links = items.map(
      (r) => html`<a href=${r.pattern} aria-current=${r.folder === here ? 'page' : nothing}>${r.nav}</a>`,
    );
    if (!this.narrow.matches) return html`<nav aria-label="Pages">${links}</nav>`;
    const shut = (e: Event) => (e.currentTarget as HTMLElement).hidePopover();
    return html`<div class="where"><button class="button quiet" popovertarget="menu" aria-haspopup="true">${icon('menu')}${this.route?.spec.title ?? 'Pages'}</button></div>
      <nav id="menu" class="menu" popover aria-label="Pages" @click=${shut}>${links}${renderHelp()}</nav>`;
  }

  // A page for operators says so to others, and asks the server for nothing.
  private get forbidden(): boolean {
    const { session } = this;
    const { operators, auditors } = this.route?.spec ?? {};
    return operators === true && !session.operator && !(auditors && session.auditor);
  }

  private renderPage() {
    const { session } = this;
    if (mustSignIn(session)) return renderSignIn(session);
    if (this.problem)
      return html`<div class="problem"><h1>${this.problem}</h1><a class="button" href="jobs">Go to the jobs</a>
        <button class="button" @click=${() => location.reload()}>Load again</button></div>`;
    const first = html`<p class="first" role="status">Loading…</p>`;
    if (!this.forbidden) return this.page ?? first;
    if (!session.status) return first;
    const whom = this.route?.spec.auditors ? 'operators and auditors' : 'operators';
    return html`<div class="problem"><h1>This page is for ${whom}.</h1>
      <p>You are signed in as ${session.status.user}. Ask an operator if you need it.</p><a class="button" href="jobs">Go to the jobs</a></div>`;
  }

  override render() {
    const { session } = this;
    const items = routes.filter((r) => r.nav && (!r.operators || session.operator || (r.auditors && session.auditor)));
    return html`
      <button class="button skip" @click=${() => this.renderRoot.querySelector('main')?.focus()}>Skip to content</button>
      <header>
        ${renderBrand()}
        ${this.renderPages(items)}
        ${this.narrow.matches ? nothing : renderHelp()}
        ${renderAccount(session)}
        ${this.renderTheme()}
      </header>
      ${renderEnded(session)}${this.renderNotice()}
      <main tabindex="-1" aria-busy=${this.loading ? 'true' : 'false'}>
        ${this.renderPage()}
      </main>
      ${this.loading && this.page ? html`<div class="loading" role="status">Loading ${this.route?.spec.title}…</div>` : nothing}
      <stint-tray></stint-tray>
      <stint-indicator class=${this.route?.spec.folder === 'jobs' ? 'list' : ''} ?hidden=${session.signedOut} server="./" @stint-counts=${this.onCounts}></stint-indicator>`;
  }
}

function renderHelp() {
  if (!site.help) return nothing;
  return html`<a class="button quiet" href=${site.help} target="_blank" rel="noopener noreferrer">Help</a>`;
}

function renderBrand() {
  if (!site.name && !site.logo) return html`<a class="brand" href="jobs">Stint<b>.</b></a>`;
  const picture = site.logo ? html`<img src=${site.logo} alt=${site.name ? '' : siteName}>` : nothing;
  return html`<a class="brand" href="jobs">${picture}${site.name ? html`<span data-long title=${siteName}>${siteName}</span>` : nothing}</a>`;
}

// withLinks makes links of the addresses in a text; all of it stays text.
function withLinks(text: string): unknown[] {
  return text
    .split(/(https?:\/\/[^\s<>"]*[^\s<>".,;:!?)])/)
    .map((part, i) =>
      i % 2 === 1 ? html`<a href=${part} target="_blank" rel="noopener noreferrer">${part}</a>` : part,
    );
}

declare global {
  interface HTMLElementTagNameMap {
    'stint-app': App;
  }
}
