// How the operators' page is laid out.
import { css } from 'lit';

export const operatorsStyles = css`
  :host { display: block; }
  .page { max-width: 1500px; margin: 0 auto; padding: 14px 16px 64px; display: grid; gap: 12px; grid-template-columns: minmax(0, 1fr); }
  section.panel { padding: 12px 16px 16px; min-width: 0; }
  h2 { margin-bottom: 10px; }
  h3 { margin: 14px 0 8px; font-size: 0.95rem; color: var(--stint-text-2); }
  .counts { display: grid; grid-template-columns: repeat(auto-fit, minmax(140px, 1fr)); gap: 10px; }
  .count { display: grid; gap: 6px; justify-items: start; padding: 10px 14px; text-decoration: none; color: var(--stint-text); }
  .count:hover { border-color: var(--stint-accent); }
  .count b { font-size: 1.5rem; font-variant-numeric: tabular-nums; line-height: 1.1; }
  .columns { display: grid; grid-template-columns: minmax(280px, 380px) minmax(0, 1fr); gap: 12px; align-items: start; }
  stint-queue { --queue-height: 420px; }
  .switch { display: flex; gap: 12px; align-items: start; }
  .switch p { margin: 2px 0 0; color: var(--stint-text-2); overflow-wrap: anywhere; }
  .toggle { flex: none; width: 44px; height: 24px; padding: 2px; border: 1px solid var(--stint-border-strong); border-radius: 999px; background: var(--stint-surface-2); cursor: pointer; }
  .toggle i { display: block; width: 18px; height: 18px; border-radius: 50%; background: var(--stint-text-2); transition: transform 0.15s; }
  .toggle[aria-checked='true'] { background: var(--stint-accent); border-color: var(--stint-accent); }
  .toggle[aria-checked='true'] i { transform: translateX(20px); background: var(--stint-on-accent); }
  @media (forced-colors: active) {
    .toggle { border-color: ButtonText; }
    .toggle i { forced-color-adjust: none; background: ButtonText; }
    .toggle[aria-checked='true'] { forced-color-adjust: none; background: Highlight; border-color: Highlight; }
    .toggle[aria-checked='true'] i { background: HighlightText; }
  }
  dl { display: grid; grid-template-columns: auto 1fr; gap: 4px 14px; margin: 14px 0 0; }
  dt { color: var(--stint-text-2); }
  dd { margin: 0; overflow-wrap: anywhere; }
  .plots-head { display: flex; gap: 12px; align-items: center; justify-content: space-between; }
  .plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(420px, 100%), 1fr)); gap: 18px; }
  .plots > div { min-width: 0; }
  section > p { margin: 8px 0 0; }
  ul { list-style: none; margin: 0; padding: 0; display: grid; gap: 10px; }
  li .words { white-space: pre-wrap; overflow-wrap: anywhere; }
  .problem { color: var(--stint-danger); margin: 0; }
  @media (max-width: 900px) { .columns { grid-template-columns: minmax(0, 1fr); } .page { padding: 10px 10px 64px; } }
`;
