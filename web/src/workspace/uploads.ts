// Some of the uploads of this window, as bars, where they were asked for.
import { css, html, LitElement, nothing } from 'lit';
import { customElement, property } from 'lit/decorators.js';
import { styles } from '../base/css-vars';
import { sharedStyles } from '../base/styles';
import { followTransfers, percentOf } from '../base/transfers';

@customElement('stint-uploads')
export class Uploads extends LitElement {
  static override styles = [
    sharedStyles,
    css`
      :host { display: grid; gap: 6px; }
      .upload { display: grid; gap: 3px; }
      .words { display: flex; justify-content: space-between; gap: 10px; overflow-wrap: anywhere; }
      .track { height: 6px; border-radius: 3px; background: var(--stint-surface-2); overflow: hidden; }
      .fill { height: 100%; background: var(--stint-accent); border-radius: 3px; }
      .problem { color: var(--stint-danger); }
    `,
  ];

  /** The keys of the uploads that are shown. */
  @property({ attribute: false }) keys: readonly number[] = [];
  private readonly transfers = followTransfers(this);

  private get shown() {
    return this.transfers.items.filter((t) => this.keys.includes(t.key) && t.state !== 'stored');
  }

  // Nothing to show takes no room.
  override willUpdate(): void {
    this.hidden = this.shown.length === 0;
  }

  override render() {
    return this.shown.map((u) => {
      const percent = percentOf(u);
      return html`<div class="upload">
        <div class="words"><span>${u.file.name}</span>${u.problem ? html`<span class="problem" role="alert">${u.problem}</span>` : html`<span>${percent} %</span>`}</div>
        ${
          u.problem
            ? nothing
            : html`<div class="track" role="progressbar" aria-label="Upload of ${u.file.name}" aria-valuenow=${percent} aria-valuemin="0" aria-valuemax="100">
              <div class="fill" ${styles({ width: `${percent}%` })}></div></div>`
        }
      </div>`;
    });
  }
}

declare global {
  interface HTMLElementTagNameMap {
    'stint-uploads': Uploads;
  }
}
