// `<stint-indicator>`: how many of the user's jobs wait, run and have ended, on
// any page of any site. It shows what the watch last said, and when that grows old it
// says so in place of the numbers.
//
//   <script type="module" src="https://stint.example.org/indicator.js"></script>
//   <stint-indicator></stint-indicator>
//
// Attributes: `server`, the address of Stint where the script is not loaded from it;
// `position="inline"` where it shall not stand at the lower right; `badge="off"` to leave title and icon of
// the page alone; `notify="off"` to not offer notifications. Custom properties: see README.md of web/examples.
//
// Lit's templates alone, without its elements: this has to stay small.
import { html, nothing, render } from 'lit/html.js';
import type { Link, News } from '../base/news';
import { watch } from '../base/watch';
import type { SummaryJson } from '../gen/stint/jobs/v1/job_service_pb';
import { setBadge } from './badge';
import { Notifier } from './notify';
import { signs } from './signs';

const shown = ['queued', 'running', 'completed', 'failed'] as const;

// Where this script came from is where the server is, unless the page says otherwise.
const home = new URL(/* @vite-ignore */ './', import.meta.url).href;

const styles = `
    :host {
      position: fixed;
      right: var(--stint-indicator-right, 16px);
      bottom: var(--stint-indicator-bottom, 12px);
      z-index: var(--stint-indicator-z, 80);
      display: inline-flex;
      font: 13px/1.2 var(--stint-indicator-font, system-ui, sans-serif);
      color-scheme: var(--stint-indicator-scheme, inherit);
    }
    :host([position="inline"]) { position: static; }
    :host([hidden]) { display: none; }
    .pill {
      display: inline-flex;
      align-items: stretch;
      overflow: hidden;
      min-height: 32px;
      border-radius: var(--stint-indicator-radius, 7px);
      border: 1px solid var(--stint-indicator-border, light-dark(#c4ccd6, #3a4655));
      background: var(--stint-indicator-bg, light-dark(#fff, #1a2029));
      color: var(--stint-indicator-text, light-dark(#1b2430, #e6eaf0));
      box-shadow: var(--stint-indicator-shadow, 0 2px 10px rgb(0 0 0 / 18%));
    }
    a, button { font: inherit; color: inherit; text-decoration: none; border: 0; background: none; margin: 0; }
    a { display: inline-flex; align-items: stretch; }
    a.count:hover { text-decoration: underline; }
    a:focus-visible, button:focus-visible { outline: 2px solid var(--stint-indicator-focus, light-dark(#1a6fe0, #7db4ff)); outline-offset: -2px; border-radius: inherit; }
    .name {
      display: inline-flex;
      align-items: center;
      padding: 0 11px;
      font-weight: 650;
      background: var(--stint-indicator-name-bg, light-dark(#2b3542, #0c1015));
      color: var(--stint-indicator-name-text, #fff);
    }
    .count { display: inline-flex; align-items: center; gap: 5px; padding: 0 9px; font-variant-numeric: tabular-nums; font-weight: 600; }
    .count + .count, a + .count { border-left: 1px solid var(--stint-indicator-border, light-dark(#dfe4ea, #313b48)); }
    svg { width: 14px; height: 14px; flex: none; fill: none; stroke: currentColor; stroke-width: 2.4; stroke-linecap: round; stroke-linejoin: round; }
    .queued svg { color: var(--stint-indicator-queued, light-dark(#4c5a6b, #b4c0cf)); }
    .running svg { color: var(--stint-indicator-running, light-dark(#b06a00, #ffc46b)); }
    .completed svg { color: var(--stint-indicator-completed, light-dark(#1d6b34, #7fd99a)); }
    .failed svg { color: var(--stint-indicator-failed, light-dark(#a8231c, #ff9d94)); }
    .words { display: inline-flex; align-items: center; padding: 0 11px; font-weight: 600; }
    .offline { color: var(--stint-indicator-failed, light-dark(#a8231c, #ff9d94)); }
    .bell { display: inline-flex; align-items: center; padding: 0 9px; cursor: pointer; border-left: 1px solid var(--stint-indicator-border, light-dark(#dfe4ea, #313b48)); }
    .sr { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
    @media print { :host { display: none; } }
`;
let sheet: CSSStyleSheet | undefined;

export class Indicator extends HTMLElement {
  static observedAttributes = ['server', 'badge', 'notify'];

  private counts: SummaryJson | undefined;
  private link: Link | undefined;
  private life = new AbortController();
  private notifier = new Notifier(() => this.draw());
  private spoken = '';
  private speakTimer: ReturnType<typeof setTimeout> | undefined;

  private get home(): string {
    const server = this.getAttribute('server');
    return server ? new URL(server.replace(/\/*$/, '/'), document.baseURI).href : home;
  }

  // off reports whether the page turned something off.
  private off(name: 'badge' | 'notify'): boolean {
    return this.getAttribute(name) === 'off';
  }

  connectedCallback(): void {
    if (!this.shadowRoot) {
      sheet ??= new CSSStyleSheet();
      sheet.replaceSync(styles);
      this.attachShadow({ mode: 'open' }).adoptedStyleSheets = [sheet];
    }
    this.life = new AbortController();
    watch({ server: this.home, signal: this.life.signal }, (news) => this.onNews(news));
    this.draw();
  }

  disconnectedCallback(): void {
    this.life.abort();
    clearTimeout(this.speakTimer);
    setBadge(0);
  }

  attributeChangedCallback(name: string, before: string | null): void {
    if (!this.isConnected || !this.shadowRoot) return;
    if (name === 'server' && before !== this.getAttribute(name)) {
      this.life.abort();
      this.counts = this.link = undefined;
      this.connectedCallback();
    }
    this.draw();
  }

  private onNews(news: News): void {
    this.link = news.link;
    if (news.counts) this.counts = news.counts;
    if (!this.off('notify')) this.notifier.take(news, this.home);
    const total = news.link.live ? this.counts?.total : undefined;
    if (!this.off('badge')) setBadge(Number(total?.running ?? 0) + Number(total?.queued ?? 0));
    this.draw();
    this.dispatchEvent(new CustomEvent('stint-counts', { detail: { live: news.link.live, ...total }, bubbles: true }));
  }

  // speak lets the words for screen readers follow the counts, but not faster than one can listen.
  private speak(words: string): void {
    if (words === this.spoken || this.speakTimer) return;
    this.speakTimer = setTimeout(
      () => {
        this.speakTimer = undefined;
        this.spoken = this.words;
        this.draw();
      },
      this.spoken ? 4000 : 0,
    );
  }

  private get words(): string {
    if (this.link?.signedOut) return 'signed out';
    if (this.link?.live && this.counts) return shown.map((s) => `${this.counts?.total?.[s] ?? 0} ${s}`).join(', ');
    if (!this.link?.problem) return '';
    const { heard } = this.link;
    return heard ? `offline, since ${clock.format(heard)}` : 'offline';
  }

  private renderCounts() {
    if (this.link?.live && this.counts) {
      return shown.map((s) => {
        const n = Number(this.counts?.total?.[s] ?? 0);
        return html`<a class="count ${s}" part="count" title="${n} ${s}: show them" href=${new URL(`jobs?state=${s}`, this.home).href}>${signs[s]}<span>${number.format(n)}</span><span class="sr"> ${s}</span></a>`;
      });
    }
    return html`<span class="words ${this.link?.problem ? 'offline' : ''}" title=${this.link?.problem ?? ''}>${this.words || '…'}</span>`;
  }

  private draw(): void {
    if (!this.shadowRoot) return;
    const words = this.words;
    this.speak(words);
    const bell = !this.off('notify') && this.notifier.offered;
    render(
      html`<div class="pill" part="pill" role="region" aria-label="Your jobs">
        <a href=${new URL('jobs', this.home).href} title="Open the Job Status page" part="link">
          <span class="name" part="name">Jobs</span></a>${this.renderCounts()}
        ${
          bell
            ? html`<button class="bell" title="Notify me when a job ends" aria-label="Notify me when a job ends" @click=${() => this.notifier.agree()}>${signs.bell}</button>`
            : nothing
        }
      </div>
      <span class="sr" role="status">${this.spoken}</span>`,
      this.shadowRoot,
    );
  }
}

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const number = new Intl.NumberFormat();

// A page may load the script twice, and the pages have it built in.
if (!customElements.get('stint-indicator')) customElements.define('stint-indicator', Indicator);

declare global {
  interface HTMLElementTagNameMap {
    'stint-indicator': Indicator;
  }
}
