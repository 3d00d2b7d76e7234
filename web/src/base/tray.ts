// The uploads of this window, below the page: it has a line of its own and covers nothing.
import { css, html, LitElement, nothing } from 'lit';
import { customElement, state } from 'lit/decorators.js';
import { styles } from './css-vars';
import { formatBytes, formatMillis } from './format';
import { icon } from './icons';
import { sharedStyles } from './styles';
import { followTransfers, percentOf, type Transfer } from './transfers';
import { visible } from './words';

const mostListed = 50;

@customElement('stint-tray')
export class Tray extends LitElement {
  static override styles = [
    sharedStyles,
    css`
      :host { display: block; background: var(--stint-surface); border-top: 1px solid var(--stint-border); }
      .head { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; padding: 6px 16px; }
      .head b { flex: 1; min-width: 160px; }
      ul { list-style: none; margin: 0; padding: 0 16px 8px; max-height: 30vh; overflow: auto; display: grid; gap: 6px; }
      li { display: grid; grid-template-columns: minmax(0, 1fr) auto; gap: 2px 10px; align-items: center; }
      .name { overflow-wrap: anywhere; }
      .words { color: var(--stint-text-2); font-variant-numeric: tabular-nums; }
      .problem { color: var(--stint-danger); overflow-wrap: anywhere; }
      .track { grid-column: 1 / -1; height: 6px; border-radius: 3px; background: var(--stint-surface-2); overflow: hidden; }
      .fill { height: 100%; background: var(--stint-accent); border-radius: 3px; }
      .buttons { display: flex; gap: 4px; }
    `,
  ];

  @state() private folded = false;
  private readonly transfers = followTransfers(this);

  private get left(): Transfer[] {
    return this.transfers.items.filter((t) => t.state !== 'stored');
  }

  private summary(): string {
    const { items } = this.transfers;
    const { left } = this;
    if (left.length === 0) return items.length === 1 ? 'The file is stored.' : `All ${items.length} files are stored.`;
    const bytes = left.reduce((sum, t) => sum + t.file.size, 0);
    const sent = left.reduce((sum, t) => sum + t.sent, 0);
    const speed = left.find((t) => t.state === 'sending')?.speed ?? 0;
    const rest = speed > 0 ? `, ${formatMillis(((bytes - sent) / speed) * 1000)} left` : '';
    return `${left.length === 1 ? 'One upload' : `${left.length} uploads`}: ${formatBytes(sent)} of ${formatBytes(bytes)}${rest}`;
  }

  private renderButtons({ key, state: now, path }: Transfer) {
    const button = (words: string, run: () => void) =>
      html`<button class="button quiet" aria-label="${words} ${path}" @click=${run}>${words}</button>`;
    const { transfers } = this;
    return html`<span class="buttons">
      ${now === 'sending' || now === 'waiting' ? button('Pause', () => transfers.pause(key)) : nothing}
      ${now === 'paused' ? button('Go on', () => transfers.resume(key)) : nothing}
      ${now === 'failed' ? button('Try again', () => transfers.resume(key)) : nothing}
      ${now === 'stored' ? nothing : button('Stop', () => transfers.drop(key))}</span>`;
  }

  private renderTransfer(t: Transfer) {
    const percent = percentOf(t);
    const words = {
      waiting: 'waits for its turn',
      sending: `${percent} %${t.speed > 0 ? `, ${formatBytes(Math.round(t.speed))}/s` : ''}`,
      paused: `paused at ${percent} %`,
      stored: 'stored',
      failed: '',
    }[t.state];
    return html`<li data-state=${t.state}><span class="name">${visible(t.path)} <span class="words">${words}</span></span>${this.renderButtons(t)}
      ${t.problem ? html`<span class="problem" role="alert">${t.problem}</span>` : nothing}
      ${
        t.state === 'sending' || t.state === 'paused'
          ? html`<div class="track" role="progressbar" aria-label="Upload of ${t.path}" aria-valuemin="0" aria-valuemax="100" aria-valuenow=${percent}>
            <div class="fill" ${styles({ width: `${percent}%` })}></div></div>`
          : nothing
      }</li>`;
  }

  override render() {
    const { items } = this.transfers;
    if (items.length === 0) return nothing;
    const shown = items.slice(-mostListed);
    return html`<section aria-label="Uploads">
      <div class="head">${icon('upload')}<b>${this.summary()}</b>
        <button class="button quiet" aria-expanded=${this.folded ? 'false' : 'true'} @click=${() => {
          this.folded = !this.folded;
        }}>${this.folded ? 'Show' : 'Hide'}</button>
        ${items.some((t) => t.state === 'stored') ? html`<button class="button quiet" @click=${() => this.transfers.clear()}>Clear</button>` : nothing}</div>
      ${this.folded ? nothing : html`<ul>${shown.map((t) => this.renderTransfer(t))}</ul>`}
    </section>`;
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'stint-tray': Tray;
  }
}
