import { css } from 'lit';

export const pageStyles = css`
  :host { display: flex; flex-direction: column; gap: 12px; height: 100%; padding: 14px 16px 12px; max-width: 1800px; margin: 0 auto; }
  header { display: grid; grid-template-columns: minmax(0, 1fr); gap: 10px; }
  .title { display: flex; align-items: center; gap: 12px; }
  .grow { flex: 1; }
  .link { display: inline-flex; align-items: center; gap: 6px; font-size: 0.93em; color: var(--stint-text-2); }
  .link .dot { width: 8px; height: 8px; border-radius: 50%; background: var(--stint-completed); }
  .link.offline { color: var(--stint-failed); font-weight: 600; }
  .link .button { min-height: 28px; }
  .content { flex: 1; min-height: 0; display: flex; gap: 10px; }
  .list { flex: 1; min-width: 0; display: flex; flex-direction: column; overflow: hidden; position: relative; }
  stint-job-table { flex: 1; }
  stint-action-bar { flex: none; align-self: flex-start; max-height: 100%; overflow: auto; }
  footer { display: flex; flex-wrap: wrap; align-items: center; gap: 0 16px; min-height: 36px; padding: 2px 12px; border-top: 1px solid var(--stint-border); color: var(--stint-text-2); font-variant-numeric: tabular-nums; }
  footer .button { min-height: 28px; }
  footer .bad { color: var(--stint-failed); }
  .blank { position: absolute; inset: 60px 0 40px; display: grid; place-content: center; justify-items: center; gap: 8px; text-align: center; padding: 16px; pointer-events: none; }
  .blank > * { pointer-events: auto; }
  .blank p { margin: 0 0 8px; color: var(--stint-text-2); max-width: 60ch; }
  stint-job-details { flex: none; }
  @media (max-width: 1000px) {
    stint-job-details { display: none; }
  }
  @media (max-width: 720px) {
    stint-action-bar.idle { display: none; }
    :host { padding-bottom: 8px; }
    :host { padding: 10px 8px 0; gap: 8px; }
    .content { flex-direction: column; gap: 0; }
    stint-action-bar { align-self: stretch; border-radius: 0; border-width: 1px 0 0; margin: 0 -8px -8px; }
    stint-column-menu { display: none; }
  }
  /* Where there is little height, by zoom or on a phone held sideways, the page scrolls as a whole and the list takes the screen. */
  @media (max-height: 520px) {
    :host { height: auto; padding-top: 6px; }
    .content { flex: none; height: calc(100dvh - 64px); min-height: 220px; }
    .blank { position: static; }
  }
`;
