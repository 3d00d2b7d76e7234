// How the workspace is laid out.
import { css } from 'lit';

export const workspaceStyles = css`
  :host { display: block; min-height: 100%; }
  .page { max-width: 1100px; min-height: 100%; margin: 0 auto; padding: 14px 16px 60px; display: grid; gap: 12px; align-content: start; }
  .page.over { outline: 3px dashed var(--stint-accent); outline-offset: -8px; background: var(--stint-accent-2); }
  header { display: flex; flex-wrap: wrap; gap: 8px 20px; align-items: center; }
  header h1 { flex: 1; }
  .usage { display: grid; gap: 3px; min-width: 190px; }
  .track { height: 6px; border-radius: 3px; background: var(--stint-surface-2); overflow: hidden; }
  .fill { height: 100%; min-width: 2px; background: var(--stint-accent); border-radius: 3px; }
  .fill.high { background: var(--stint-failed); }
  .crumbs { display: flex; flex-wrap: wrap; gap: 6px; align-items: center; overflow-wrap: anywhere; }
  .crumbs a { text-decoration: none; font-weight: 550; }
  .crumbs a[aria-current] { color: var(--stint-text); }
  .tools { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; }
  .grow { flex: 1; }
  .list { overflow-x: auto; }
  table { border-collapse: collapse; width: 100%; }
  th { text-align: left; color: var(--stint-text-2); font-weight: 600; }
  th, td { padding: 4px 10px; border-bottom: 1px solid var(--stint-border); height: 40px; }
  tbody tr:last-child td { border-bottom: 0; }
  tbody tr:hover { background: var(--stint-hover); }
  tr.selected { background: var(--stint-selected); }
  .tick { width: 36px; }
  .tick input { width: 16px; height: 16px; accent-color: var(--stint-accent); vertical-align: middle; }
  .name a { display: inline-flex; vertical-align: middle; gap: 9px; align-items: center; color: var(--stint-text); text-decoration: none; font-weight: 550; overflow-wrap: anywhere; }
  .name a:hover span { text-decoration: underline; }
  .name .icon { color: var(--stint-accent); }
  .size, .time { white-space: nowrap; color: var(--stint-text-2); font-variant-numeric: tabular-nums; }
  .size { text-align: right; }
  .row-actions { white-space: nowrap; text-align: right; }
  .empty { padding: 40px 20px; text-align: center; color: var(--stint-text-2); }
  .problem { color: var(--stint-danger); }
  @media (max-width: 560px) {
    .page { padding: 10px 10px 64px; }
    .time { display: none; }
    th, td { padding: 4px 6px; }
  }
`;
