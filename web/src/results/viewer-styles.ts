// What the viewers of results have in common.
import { css } from 'lit';

export const viewerStyles = css`
  :host { display: block; min-width: 0; }
  .tools { display: flex; flex-wrap: wrap; gap: 8px; align-items: center; margin-bottom: 8px; }
  .tools .grow { flex: 1; min-width: 0; }
  .scroll { overflow: auto; max-height: var(--viewer-height, 60vh); border: 1px solid var(--stint-border); border-radius: var(--stint-radius); }
  .warning { margin: 0 0 8px; padding: 6px 12px; border-radius: var(--stint-radius); background: var(--stint-running-bg); color: var(--stint-running); font-weight: 550; }
  .cut { color: var(--stint-text-2); margin: 8px 0 0; }
  table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
  th, td { padding: 4px 10px; text-align: start; border-bottom: 1px solid var(--stint-border); white-space: nowrap; max-width: 480px; overflow: hidden; text-overflow: ellipsis; }
  th { position: sticky; top: 0; z-index: 1; background: var(--stint-surface-2); padding: 0; }
  th button { font: inherit; font-weight: 650; color: inherit; background: none; border: 0; padding: 6px 10px; width: 100%; text-align: inherit; cursor: pointer; display: inline-flex; gap: 5px; align-items: center; }
  th.number button { justify-content: flex-end; }
  td.number { text-align: end; }
  tbody tr:hover { background: var(--stint-hover); }
  pre { margin: 0; padding: 10px 12px; white-space: pre-wrap; overflow-wrap: anywhere; }
`;
