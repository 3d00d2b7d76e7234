import { css } from 'lit';

export const tableStyles = css`
  :host { display: block; min-width: 0; min-height: 0; height: 100%; }
  .scroll { height: 100%; overflow: auto; position: relative; outline-offset: -2px; overscroll-behavior: contain; overflow-anchor: none; }
  .header, .row { display: grid; grid-template-columns: var(--columns); align-items: center; min-width: var(--least); }
  .header {
    position: sticky;
    top: 0;
    z-index: 2;
    height: 36px;
    background: var(--stint-surface-2);
    border-bottom: 1px solid var(--stint-border);
    font-weight: 600;
  }
  .space { position: relative; min-width: var(--least); }
  .samples { position: absolute; visibility: hidden; pointer-events: none; height: 0; overflow: hidden; }
  .sample { width: max-content; font-size: 1em; }
  .sample .cell { overflow: visible; }
  .sample .sort { font-weight: 600; }
  .row {
    position: absolute;
    inset: 0 0 auto;
    height: 36px;
    border-bottom: 1px solid var(--stint-border);
    background: var(--stint-surface);
    cursor: default;
    contain: layout style;
  }
  .row:hover { background: var(--stint-hover); }
  .row.selected { background: var(--stint-selected); }
  .scroll:focus-visible .row.active { outline: 2px solid var(--stint-focus); outline-offset: -2px; }
  .row.left .cell:not(.pick) { opacity: 0.62; }
  .row.left .cell:not(.pick, .status) { text-decoration: line-through; text-decoration-color: var(--stint-border-strong); }
  .cell { position: relative; padding: 0 10px; min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
  .row .cell { line-height: 35px; }
  .row .cell.status { display: flex; align-items: center; height: 100%; line-height: 1; }
  .cell.status .status { display: inline-flex; }
  .cell > a { color: var(--stint-text); }
  .cell.output_name a { text-decoration: none; }
  .cell.output_name a:hover { text-decoration: underline; }
  .cell.id a { color: var(--stint-text); text-decoration-color: var(--stint-border-strong); }
  .cell.submit, .cell.start, .cell.complete, .cell.elapsed { font-variant-numeric: tabular-nums; color: var(--stint-text-2); }
  .cell.output_name { font-weight: 550; }
  .cell.progress { display: flex; align-items: center; gap: 8px; }
  .cell.progress > span:only-child { overflow: hidden; text-overflow: ellipsis; }

  .cell.pick { padding: 0; height: 100%; display: grid; place-items: center; }
  .header .cell.pick { justify-content: center; }
  .pick input { width: 17px; height: 17px; margin: 0; accent-color: var(--stint-accent); }
  .box { width: 17px; height: 17px; display: grid; place-items: center; border: 1.5px solid var(--stint-border-strong); border-radius: 4px; background: var(--stint-surface); line-height: 0; }
  .row.selected .box { background: var(--stint-accent); border-color: var(--stint-accent); color: var(--stint-on-accent); }
  .box .icon { width: 13px; height: 13px; stroke-width: 3.5; }

  .header .cell { height: 100%; display: flex; align-items: center; overflow: visible; padding: 0; }
  .header .cell.drop { box-shadow: inset 3px 0 0 var(--stint-accent); }
  .sort { display: flex; align-items: center; gap: 4px; width: 100%; height: 100%; min-width: 0; padding: 0 10px; margin: 0; border: 0; background: none; font: inherit; color: inherit; text-align: start; }
  .sort span { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
  button.sort { cursor: pointer; }
  button.sort:hover { background: color-mix(in oklab, var(--stint-surface-2) 85%, var(--stint-text)); }
  .sort .icon { width: 14px; height: 14px; stroke-width: 2.6; }
  .resize { position: absolute; inset-inline-end: -5px; top: 0; bottom: 0; width: 10px; z-index: 1; cursor: col-resize; touch-action: none; }
  .resize::after { content: ""; position: absolute; left: 4px; top: 9px; bottom: 9px; width: 1px; background: var(--stint-border-strong); opacity: 0.6; }
  .resize:hover::after, .resize:focus-visible::after { top: 0; bottom: 0; left: 3px; width: 3px; opacity: 1; background: var(--stint-focus); }

  @media (forced-colors: active) {
    .row.selected .box { forced-color-adjust: none; background: Highlight; border-color: Highlight; color: HighlightText; }
  }

  .meter { flex: 1; height: 7px; min-width: 30px; border-radius: 4px; background: var(--stint-running-bg); overflow: hidden; }
  .fill { display: block; height: 100%; background: var(--stint-running); border-radius: 4px; transition: width 0.4s; }
  .percent { font-variant-numeric: tabular-nums; color: var(--stint-text-2); min-width: 34px; text-align: end; }

  @media (max-width: 720px) {
    .row { grid-template-columns: 40px minmax(0, 1fr); min-width: 0; height: 64px; }
    .space { min-width: 0; }
    .cell.card { display: grid; gap: 3px; padding-inline-start: 2px; }
    .row .cell.card { line-height: 1.4; }
    .line { display: flex; gap: 8px; align-items: center; justify-content: space-between; min-width: 0; }
    .line > :first-child { overflow: hidden; text-overflow: ellipsis; min-width: 0; }
    .line a { font-weight: 600; color: var(--stint-text); text-decoration: none; }
    .line time { flex: none; font-size: 0.93em; }
  }
`;
