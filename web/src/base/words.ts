// The words and signs for what the contract names.
import { html, type TemplateResult } from 'lit';
import type { ReasonJson, StateJson } from '../gen/stint/jobs/v1/job_pb';
import { type IconName, icon } from './icons';

/** The short names of the states, in the order in which people think of them. */
export const states = ['queued', 'running', 'completed', 'failed', 'cancelled'] as const;
export type StateName = (typeof states)[number];

/** `STATE_RUNNING` is `running`; anything unknown is undefined. */
export function stateName(state: StateJson | undefined): StateName | undefined {
  const name = state?.replace('STATE_', '').toLowerCase();
  return states.find((s) => s === name);
}

export const stateLabel: Record<StateName, string> = {
  queued: 'Queued',
  running: 'Running',
  completed: 'Completed',
  failed: 'Failed',
  cancelled: 'Cancelled',
};

/** Whether a job in that state never changes again. */
export function isFinal(state: StateJson | undefined): boolean {
  return state === 'STATE_COMPLETED' || state === 'STATE_FAILED' || state === 'STATE_CANCELLED';
}

const reasons: Partial<Record<ReasonJson, string>> = {
  REASON_EXIT_NONZERO: 'error in the command',
  REASON_SIGNALLED: 'ended by a signal',
  REASON_OUT_OF_MEMORY: 'out of memory',
  REASON_TIME_LIMIT: 'time limit',
  REASON_NODE_FAILED: 'machine failed',
  REASON_PREEMPTED: 'preempted',
  REASON_CANCELLED_BY_OWNER: 'by owner',
  REASON_CANCELLED_BY_OPERATOR: 'by operator',
  REASON_CANCELLED_BY_ENGINE: 'in the engine',
  REASON_SUBMIT_REJECTED: 'refused by the engine',
  REASON_LAUNCH_FAILED: 'could not start',
  REASON_INPUT_MISSING: 'input missing',
  REASON_OUTPUT_FAILED: 'results not stored',
  REASON_LOST: 'lost',
  REASON_WAITING_FOR_RESOURCES: 'waits for resources',
  REASON_WAITING_FOR_TURN: 'waits for its turn',
  REASON_WAITING_FOR_ENGINE: 'engine unreachable',
  REASON_ENGINE_HELD: 'held',
  REASON_WAITING_FOR_RETRY: 'tries again soon',
  REASON_WAITING_FOR_SPACE: 'waits for disk space',
  REASON_DISK_FULL: 'disk full',
};

/** A reason in a few words; empty where the state speaks for itself. The job's message says it in full. */
export function reasonWords(reason: ReasonJson | undefined, exitCode?: number): string {
  if (reason === 'REASON_EXIT_NONZERO' && exitCode) return `exit code ${exitCode}`;
  return (reason && reasons[reason]) ?? '';
}

// Control characters, and those that turn the direction of what follows: they make a name look like another.
const invisible = /[\p{Cc}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/** Text that a user gave, with a sign for every character that would hide or turn others. */
export function visible(text: string | undefined): string {
  return (text ?? '').replace(invisible, '\ufffd');
}

/** A job's state as a pill with sign and word. Needs stateStyles. */
export function statePill(state: StateJson | undefined): TemplateResult {
  const name = stateName(state);
  if (!name) return html`<span class="state queued">Unknown</span>`;
  return html`<span class="state ${name}">${icon(name satisfies IconName)}${stateLabel[name]}</span>`;
}
