// Pictograms, drawn for a box of 24 by 24 with strokes of the text's colour.
import { html, type SVGTemplateResult, svg, type TemplateResult } from 'lit';

const drawings = {
  queued: svg`<circle cx="12" cy="12" r="9"/><path d="M12 7v5l3 2"/>`,
  running: svg`<path d="M7 4.5v15l12-7.5z"/>`,
  completed: svg`<path d="M4.5 12.5l5 5 10-11"/>`,
  failed: svg`<path d="M12 3.5l9.5 16.5h-19z"/><path d="M12 10v4.5M12 17.3v.2"/>`,
  cancelled: svg`<circle cx="12" cy="12" r="9"/><path d="M5.7 5.7l12.6 12.6"/>`,
  view: svg`<path d="M2 12s3.6-7 10-7 10 7 10 7-3.6 7-10 7S2 12 2 12z"/><circle cx="12" cy="12" r="3"/>`,
  stop: svg`<circle cx="12" cy="12" r="9"/><path d="M9 9h6v6H9z"/>`,
  rerun: svg`<path d="M4 12a8 8 0 1 0 2.6-5.9L4 8.5"/><path d="M4 3.5v5h5"/>`,
  issue: svg`<path d="M4 5h16v11H9l-5 4z"/><path d="M12 8v3M12 13.3v.2"/>`,
  download: svg`<path d="M12 3.5v12M7 11l5 5 5-5M4 20.5h16"/>`,
  upload: svg`<path d="M12 16V4M7 8.5l5-5 5 5M4 20.5h16"/>`,
  link: svg`<path d="M10 14a4 4 0 0 0 5.7 0l3.6-3.6a4 4 0 0 0-5.7-5.7L12 6.3"/><path d="M14 10a4 4 0 0 0-5.7 0l-3.6 3.6a4 4 0 0 0 5.7 5.7L12 17.7"/>`,
  search: svg`<circle cx="11" cy="11" r="6.5"/><path d="M16 16l4.5 4.5"/>`,
  columns: svg`<path d="M4 5h16v14H4zM9.5 5v14M14.5 5v14"/>`,
  close: svg`<path d="M6 6l12 12M18 6L6 18"/>`,
  up: svg`<path d="M12 19V5M6 11l6-6 6 6"/>`,
  down: svg`<path d="M12 5v14M6 13l6 6 6-6"/>`,
  left: svg`<path d="M15 5l-7 7 7 7"/>`,
  right: svg`<path d="M9 5l7 7-7 7"/>`,
  light: svg`<circle cx="12" cy="12" r="4.5"/><path d="M12 2v2.5M12 19.5V22M2 12h2.5M19.5 12H22M5 5l1.8 1.8M17.2 17.2L19 19M19 5l-1.8 1.8M6.8 17.2L5 19"/>`,
  dark: svg`<path d="M20 14.5A8.5 8.5 0 0 1 9.5 4 8.5 8.5 0 1 0 20 14.5z"/>`,
  auto: svg`<circle cx="12" cy="12" r="9"/><path d="M12 3v18a9 9 0 0 0 0-18z" fill="currentColor"/>`,
  offline: svg`<path d="M3 3l18 18M8.5 15.5a5 5 0 0 1 7 0M5 12a10 10 0 0 1 4-2.6M19 12a10 10 0 0 0-5.5-2.9M2 8.5a15 15 0 0 1 4-2.6M22 8.5A15 15 0 0 0 10.5 5M12 19.5v.2"/>`,
  bell: svg`<path d="M6 16V11a6 6 0 0 1 12 0v5l1.5 2h-15zM10 20.5h4"/>`,
  folder: svg`<path d="M3 6h6l2 2.5h10V19H3z"/>`,
  file: svg`<path d="M6 3h8l4 4v14H6zM14 3v4h4"/>`,
  trash: svg`<path d="M4 7h16M9 7V4h6v3M6.5 7l1 13h9l1-13M10 11v5M14 11v5"/>`,
  compare: svg`<path d="M4 5h6v14H4zM14 5h6v14h-6zM12 3v18"/>`,
  minus: svg`<path d="M5 12h14"/>`,
  plus: svg`<path d="M12 5v14M5 12h14"/>`,
  filter: svg`<path d="M3.5 5h17l-6.5 8v6l-4-2v-4z"/>`,
  menu: svg`<path d="M4 7h16M4 12h16M4 17h16"/>`,
  more: svg`<path d="M5 12h.1M12 12h.1M19 12h.1" stroke-width="3"/>`,
  copy: svg`<path d="M9 9h11v11H9z"/><path d="M5 15H4V4h11v1"/>`,
  pause: svg`<path d="M8 5v14M16 5v14"/>`,
  keep: svg`<path d="M6 3.5h12v17l-6-4.5-6 4.5z"/>`,
  user: svg`<circle cx="12" cy="8" r="4"/><path d="M4 20.5a8 8 0 0 1 16 0"/>`,
} satisfies Record<string, SVGTemplateResult>;

export type IconName = keyof typeof drawings;

/** A pictogram. It says nothing to a screen reader: what it stands beside does. */
export function icon(name: IconName): TemplateResult {
  return html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true">${drawings[name]}</svg>`;
}
