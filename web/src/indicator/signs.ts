// The signs of the indicator. The pages have more; it has to stay small.
import { html } from 'lit/html.js';

const sign = (d: string) => html`<svg viewBox="0 0 24 24" aria-hidden="true"><path d=${d}/></svg>`;

export const signs = {
  queued: sign('M12 3a9 9 0 1 0 0 18a9 9 0 1 0 0-18M12 7v5l3 2'),
  running: sign('M7 4.5v15l12-7.5z'),
  completed: sign('M4.5 12.5l5 5 10-11'),
  failed: sign('M12 3.5l9.5 16.5h-19zM12 10v4.5M12 17.3v.2'),
  bell: sign('M6 16V11a6 6 0 0 1 12 0v5l1.5 2h-15zM10 20.5h4'),
};
