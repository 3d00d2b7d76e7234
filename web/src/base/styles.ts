// Styles that components share. Colours come from theme.css.
import { css } from 'lit';

export const sharedStyles = css`
  :host { box-sizing: border-box; }
  /* Not inherited: what a details element unfolds would not pass it on. */
  *, *::before, *::after { box-sizing: border-box; }
  [hidden] { display: none !important; }

  h1 { font-size: 1.35rem; font-weight: 650; margin: 0; letter-spacing: -0.01em; }
  h2 { font-size: 1.05rem; font-weight: 650; margin: 0; }
  a { color: var(--stint-accent); text-underline-offset: 2px; }
  code, pre, .mono { font-family: var(--stint-mono); font-size: 0.93em; }

  :focus-visible { outline: 2px solid var(--stint-focus); outline-offset: 2px; border-radius: 4px; }

  .button, .input, .select {
    font: inherit;
    color: inherit;
    min-height: 34px;
    border: 1px solid var(--stint-border-strong);
    border-radius: var(--stint-radius);
    background: var(--stint-surface);
    padding: 0 12px;
  }
  .button {
    display: inline-flex;
    align-items: center;
    justify-content: center;
    gap: 7px;
    font-weight: 550;
    cursor: pointer;
    text-decoration: none;
    white-space: nowrap;
  }
  .button:hover:not([disabled], [aria-disabled="true"]) { background: var(--stint-surface-2); }
  .button.primary { background: var(--stint-accent); border-color: var(--stint-accent); color: var(--stint-on-accent); }
  .button.primary:hover:not([disabled]) { background: color-mix(in oklab, var(--stint-accent) 88%, var(--stint-text)); }
  .button.danger { background: var(--stint-danger); border-color: var(--stint-danger); color: var(--stint-on-danger); }
  .button.danger:hover:not([disabled]) { background: color-mix(in oklab, var(--stint-danger) 88%, var(--stint-text)); }
  .button.quiet { border-color: transparent; background: transparent; padding: 0 8px; }
  .button[disabled], .button[aria-disabled="true"] { opacity: 0.5; cursor: default; }
  .input { padding: 0 10px; min-width: 0; }
  textarea.input { padding: 8px 10px; line-height: 1.45; }
  .input::placeholder { color: var(--stint-text-2); opacity: 1; }
  .select { padding: 0 8px; }

  .quiet-text { color: var(--stint-text-2); }
  .panel {
    background: var(--stint-surface);
    border: 1px solid var(--stint-border);
    border-radius: calc(var(--stint-radius) + 2px);
    box-shadow: var(--stint-shadow);
  }
  .visually-hidden {
    position: absolute;
    width: 1px;
    height: 1px;
    margin: -1px;
    padding: 0;
    overflow: hidden;
    clip-path: inset(50%);
    white-space: nowrap;
    border: 0;
  }
  svg.icon { width: 1.15em; height: 1.15em; flex: none; fill: none; stroke: currentColor; stroke-width: 2; stroke-linecap: round; stroke-linejoin: round; }

  /* With forced colours the grounds are the system's: what is chosen, and how far something is, is told by lines and by its colours. */
  @media (forced-colors: active) {
    [aria-current]:not([aria-current="false"]), [aria-pressed="true"], [aria-selected="true"], tr.selected {
      outline: 2px solid Highlight;
      outline-offset: -2px;
    }
    :focus-visible { outline: 3px solid CanvasText; }
    .track, .meter { border: 1px solid CanvasText; }
    .fill { forced-color-adjust: none; background: Highlight !important; }
    .button[disabled], [aria-disabled="true"], [aria-disabled="true"] * { color: GrayText; opacity: 1 !important; }
    .state, .banner, .notice { border: 1px solid CanvasText; }
  }

  @media (prefers-reduced-motion: reduce) {
    *, *::before, *::after { animation-duration: 0.01ms !important; transition-duration: 0.01ms !important; }
  }
`;

/** A job's state as a pill: \`<span class="state running">\`. statePill in words.ts makes it. */
export const stateStyles = css`
  .state {
    display: inline-flex;
    align-items: center;
    gap: 5px;
    padding: 1px 9px 1px 7px;
    border-radius: 999px;
    font-weight: 600;
    font-size: 0.93em;
    line-height: 1.55;
    white-space: nowrap;
  }
  .state svg.icon { width: 1em; height: 1em; stroke-width: 2.4; }
  .state.queued { color: var(--stint-queued); background: var(--stint-queued-bg); }
  .state.running { color: var(--stint-running); background: var(--stint-running-bg); }
  .state.completed { color: var(--stint-completed); background: var(--stint-completed-bg); }
  .state.failed { color: var(--stint-failed); background: var(--stint-failed-bg); }
  .state.cancelled { color: var(--stint-cancelled); background: var(--stint-cancelled-bg); }
`;
