// How the fields of forms look.
import { css } from 'lit';

export const fieldStyles = css`
  :host { display: block; min-width: 0; }
  .field { display: grid; grid-template-columns: minmax(0, 1fr); gap: 4px; }
  label, .label { font-weight: 600; }
  .required { color: var(--stint-danger); font-weight: 600; }
  .help { color: var(--stint-text-2); margin: 0; }
  .error { color: var(--stint-danger); margin: 0; font-weight: 550; overflow-wrap: anywhere; }
  .input, .select { width: 100%; }
  .input[aria-invalid='true'], .select[aria-invalid='true'] { border-color: var(--stint-danger); box-shadow: 0 0 0 1px var(--stint-danger); }
  .input.number, .select { max-width: 260px; }
  .check { display: flex; gap: 8px; align-items: center; }
  .check input { width: 16px; height: 16px; accent-color: var(--stint-accent); }
  fieldset { border: 1px solid var(--stint-border); border-radius: var(--stint-radius); margin: 0; padding: 10px 14px 14px; display: grid; grid-template-columns: minmax(0, 1fr); gap: 12px; min-width: 0; }
  legend { font-weight: 600; padding: 0 6px; margin-inline-start: -6px; }
  .entries { display: grid; gap: 8px; }
  .entry { display: grid; grid-template-columns: minmax(0, 1fr) auto; gap: 6px; align-items: start; }
  .file { display: flex; flex-wrap: wrap; gap: 6px; padding: 8px; border: 1px dashed var(--stint-border-strong); border-radius: var(--stint-radius); }
  .file.over { background: var(--stint-accent-2); border-color: var(--stint-accent); border-style: solid; }
  .file .input { flex: 1 1 220px; min-width: 0; }
  .file p { flex-basis: 100%; margin: 0; color: var(--stint-text-2); font-size: 0.93em; }
  stint-uploads { flex-basis: 100%; }
`;
