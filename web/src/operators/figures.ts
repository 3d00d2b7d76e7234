// Figures of a stretch of time, from the jobs that ended in it.

import { listJobs } from '../base/calls';
import { millis } from '../base/format';
import type { JobJson } from '../gen/stint/jobs/v1/job_pb';
import type { ListResponseJson } from '../gen/stint/jobs/v1/job_service_pb';

/** The stretches of time that one can look at. */
export const periods = [
  { id: 'hour', label: 'Last hour', ms: 3600e3, bucket: 60e3, every: 'minute' },
  { id: 'day', label: 'Last 24 hours', ms: 86400e3, bucket: 30 * 60e3, every: 'half an hour' },
  { id: 'week', label: 'Last 7 days', ms: 7 * 86400e3, bucket: 4 * 3600e3, every: '4 hours' },
  { id: 'month', label: 'Last 30 days', ms: 30 * 86400e3, bucket: 12 * 3600e3, every: '12 hours' },
] as const;
export type Period = (typeof periods)[number];

// More than this is not read: the server would work for a picture that shows no more.
const mostJobs = 5000;

/** One value for each bucket of time, as uPlot takes them: the times in seconds first. */
export interface Figures {
  times: number[];
  completed: number[];
  failed: number[];
  cancelled: number[];
  /** Seconds from submission to start: the middle one, and that which 19 of 20 jobs stayed below. */
  waitMedian: (number | null)[];
  waitHigh: (number | null)[];
  jobs: number;
  /** Whether there were more jobs than were read; then the figures are those of the latest. */
  cut: boolean;
}

/** Reads the jobs of all owners that ended in a period. */
export async function readFigures(period: Period, now: number, signal: AbortSignal): Promise<Figures> {
  const since = now - period.ms;
  const jobs: JobJson[] = [];
  let pageToken = '';
  do {
    const page: ListResponseJson = await listJobs(
      {
        owner: '*',
        filter: `complete_time > "${new Date(since).toISOString()}"`,
        orderBy: 'complete_time desc',
        pageSize: 1000,
        pageToken,
      },
      signal,
    );
    jobs.push(...(page.jobs ?? []));
    pageToken = page.nextPageToken ?? '';
  } while (pageToken !== '' && jobs.length < mostJobs);
  return { ...figuresOf(jobs, period, now), cut: pageToken !== '' };
}

/** Puts jobs into buckets by the time that they ended at. */
export function figuresOf(jobs: readonly JobJson[], period: Period, now: number): Omit<Figures, 'cut'> {
  const first = Math.floor((now - period.ms) / period.bucket) + 1;
  const count = Math.floor(now / period.bucket) - first + 1;
  const zeros = () => new Array<number>(count).fill(0);
  const times = zeros().map((_, i) => ((first + i) * period.bucket) / 1000);
  const ended = { STATE_COMPLETED: zeros(), STATE_FAILED: zeros(), STATE_CANCELLED: zeros() };
  const waits: number[][] = zeros().map(() => []);
  let seen = 0;
  for (const job of jobs) {
    const at = Math.floor(millis(job.completeTime) / period.bucket) - first;
    const row = ended[job.state as keyof typeof ended];
    if (!row || !(at >= 0 && at < count)) continue;
    row[at] = (row[at] ?? 0) + 1;
    seen++;
    const wait = (millis(job.startTime) - millis(job.submitTime)) / 1000;
    if (wait >= 0) waits[at]?.push(wait);
  }
  return {
    times,
    completed: ended.STATE_COMPLETED,
    failed: ended.STATE_FAILED,
    cancelled: ended.STATE_CANCELLED,
    waitMedian: waits.map((w) => quantile(w, 0.5)),
    waitHigh: waits.map((w) => quantile(w, 0.95)),
    jobs: seen,
  };
}

function quantile(values: number[], q: number): number | null {
  if (values.length === 0) return null;
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? null;
}
