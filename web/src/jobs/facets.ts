// How many jobs each chip and each service would show. Without further conditions
// the live counts of the watch say it; with them, the server counts.

import { listJobs } from '../base/calls';
import { type StateName, states } from '../base/words';
import type { StateCountsJson, SummaryJson } from '../gen/stint/jobs/v1/job_service_pb';
import { filterText, queryOf, type ViewState } from './view-state';

export interface Facets {
  /** Jobs by state, with all conditions but the one on states. */
  states: Record<StateName, number>;
  /** Whether the numbers of `states` are exact; otherwise there are at least so many. */
  exact: boolean;
  /** Jobs by service id, of the chosen states. */
  services: Map<string, number>;
}

const zero = (): Record<StateName, number> => ({ queued: 0, running: 0, completed: 0, failed: 0, cancelled: 0 });

function byState(counts: StateCountsJson | undefined): Record<StateName, number> {
  const result = zero();
  for (const s of states) result[s] = Number(counts?.[s] ?? 0);
  return result;
}

function sum(counts: Record<StateName, number>, wanted: readonly StateName[]): number {
  return (wanted.length > 0 ? wanted : states).reduce((n, s) => n + counts[s], 0);
}

/** Whether the live counts say everything: there is no condition but on states and service. */
export function liveCountsSuffice(view: ViewState): boolean {
  return filterText({ ...view, states: [], service: '' }) === '';
}

/** The numbers out of the live counts. */
export function facetsOf(summary: SummaryJson, view: ViewState): Facets {
  const services = new Map<string, number>();
  for (const [id, counts] of Object.entries(summary.services ?? {}))
    services.set(id, sum(byState(counts), view.states));
  const chosen = view.service ? summary.services?.[view.service] : summary.total;
  return { states: byState(chosen), exact: true, services };
}

/** Jobs that the view shows, by its facets. */
export function totalOf(facets: Facets, view: ViewState): number {
  return sum(facets.states, view.states);
}

/** Asks the server for the numbers under the view's further conditions. */
export async function countFacets(
  view: ViewState,
  services: Map<string, number>,
  signal: AbortSignal,
): Promise<Facets> {
  const result: Facets = { states: zero(), exact: true, services };
  await Promise.all(
    states.map(async (s) => {
      const query = queryOf({ ...view, states: [s], sort: 'submit_time', desc: true });
      const page = await listJobs({ ...query, pageSize: 1 }, signal);
      result.states[s] = Number(page.totalSize ?? 0);
      result.exact &&= page.totalSizeExact ?? false;
    }),
  );
  return result;
}
