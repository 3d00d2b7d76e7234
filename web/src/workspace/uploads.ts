// The uploads under way, as bars.
import { css, html, LitElement, nothing } from 'lit';
import { customElement, property } from 'lit/decorators.js';
import { styles } from '../base/css-vars';
import { sharedStyles } from '../base/styles';
import type { Upload } from './files';

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

  @property({ attribute: false }) uploads: readonly Upload[] = [];

  // Nothing to show takes no room.
  override willUpdate(): void {
    this.hidden = !this.uploads.some((u) => !u.done || u.problem);
  }

  override render() {
    const shown = this.uploads.filter((u) => !u.done || u.problem);
    if (shown.length === 0) return nothing;
    return shown.map((u) => {
      const percent = Math.round(u.sent * 100);
      return html`<div class="upload">
        <div class="words"><span>${u.name}</span>${u.problem ? html`<span class="problem" role="alert">${u.problem}</span>` : html`<span>${percent} %</span>`}</div>
        ${
          u.problem
            ? nothing
            : html`<div class="track" role="progressbar" aria-label="Upload of ${u.name}" aria-valuenow=${percent} aria-valuemin="0" aria-valuemax="100">
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
