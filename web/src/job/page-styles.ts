// How the page of a job is laid out.
import { css } from 'lit';

export const jobPageStyles = css`
  :host { display: block; }
  .page { max-width: 1900px; margin: 0 auto; padding: 14px 16px 64px; }
  header { display: grid; gap: 2px; margin-bottom: 12px; }
  header p { margin: 0; }
  .back { display: inline-flex; align-items: center; gap: 4px; width: fit-content; text-decoration: none; color: var(--stint-text-2); }
  .back:hover { color: var(--stint-text); }
  .title { display: flex; flex-wrap: wrap; align-items: center; gap: 6px 12px; }
  h1 { overflow-wrap: anywhere; }
  .columns { display: grid; grid-template-columns: minmax(0, 1fr) 300px auto; gap: 12px; align-items: start; }
  .main, .side { display: grid; gap: 12px; min-width: 0; }
  .main { grid-template-columns: minmax(0, 1fr); }
  .actions { position: sticky; top: 12px; }
  section.panel { padding: 12px 14px 14px; min-width: 0; }
  section.panel > h2 { margin-bottom: 10px; }
  .work { display: flex; flex-direction: column; gap: 12px; min-width: 0; }
  .banner { display: grid; gap: 3px; padding: 10px 14px; border-radius: calc(var(--stint-radius) + 2px); border-inline-start: 4px solid; overflow-wrap: anywhere; white-space: pre-line; }
  .banner > * { white-space: pre-line; }
  .banner > stint-why { white-space: normal; }
  .banner span { color: var(--stint-text); }
  .banner.queued { background: var(--stint-queued-bg); color: var(--stint-queued); }
  .banner.running { background: var(--stint-running-bg); color: var(--stint-running); }
  .banner.completed { background: var(--stint-completed-bg); color: var(--stint-completed); }
  .banner.failed { background: var(--stint-failed-bg); color: var(--stint-failed); }
  .banner.cancelled { background: var(--stint-cancelled-bg); color: var(--stint-cancelled); }
  .progress { display: grid; gap: 4px; }
  .progress .words { display: flex; justify-content: space-between; gap: 12px; overflow-wrap: anywhere; }
  .track { height: 8px; border-radius: 4px; background: var(--stint-surface-2); overflow: hidden; }
  .track .fill { height: 100%; border-radius: 4px; background: var(--stint-running); transition: width 0.4s; }
  .facts { display: grid; grid-template-columns: auto 1fr; gap: 6px 14px; margin: 0; }
  .facts dt { color: var(--stint-text-2); }
  .facts dd { margin: 0; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
  .where { margin-top: 8px; }
  .where summary { cursor: pointer; color: var(--stint-accent); width: fit-content; margin-bottom: 6px; }
  .banner .remedy { justify-self: start; margin-top: 4px; background: var(--stint-surface); color: var(--stint-text); }
  .label { display: inline-block; padding: 0 7px; border-radius: 999px; background: var(--stint-surface-2); }
  .problem { padding: 48px 20px; display: grid; gap: 12px; justify-items: center; }
  @media (max-width: 1060px) {
    .columns { grid-template-columns: minmax(0, 1fr) auto; }
    .side { grid-column: 1; grid-row: 2; }
    .actions { grid-column: 2; grid-row: 1 / span 2; }
  }
  @media (max-width: 720px) {
    .page { padding: 10px 10px 64px; }
    .columns { grid-template-columns: minmax(0, 1fr); }
    .side { grid-row: auto; }
    .actions { grid-row: 1; grid-column: 1; position: static; }
    section.panel { padding: 10px; }
  }
`;
