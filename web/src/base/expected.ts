// What is expected of a job that has not ended, in words.
import type { JobJson, TimeRangeJson } from '../gen/stint/jobs/v1/job_pb';
import { formatCount, formatTime } from './format';

type Expected = Pick<JobJson, 'queuePosition' | 'startTime' | 'expectedStartTime' | 'expectedCompleteTime'>;

/** How much is before a waiting job: `3 jobs of 2 users`; empty for one that has no place. */
export function placeWords({ queuePosition: p }: Expected): string {
  if (!p) return '';
  const jobs = Number(p.jobsAhead ?? 0);
  if (jobs === 0) return 'it is next';
  const users = Number(p.usersAhead ?? 0);
  return `${p.atLeast ? 'at least ' : ''}${formatCount(jobs)} ${jobs === 1 ? 'job' : 'jobs'} of ${formatCount(users)} ${users === 1 ? 'user' : 'users'} before it`;
}

/** The same for a table: `3 ahead`. */
export function placeShort({ queuePosition: p }: Expected): string {
  if (!p) return '';
  return p.jobsAhead && p.jobsAhead !== '0' ? `${formatCount(p.jobsAhead)}${p.atLeast ? '+' : ''} ahead` : 'next';
}

/** When the job is expected to start or, once it has, to end. */
export function expectedShort(job: Expected, now: number): string {
  if (!job.startTime && job.expectedStartTime) return `starts ${formatTime(job.expectedStartTime, now)}`;
  return job.expectedCompleteTime ? `ends ${formatTime(job.expectedCompleteTime, now)}` : '';
}

/** How sure an expected time is: ` (9 in 10 such jobs: 10:00 to 12:00)`; empty where nothing is said of it. */
export function rangeWords(range: TimeRangeJson | undefined, now: number): string {
  if (!range?.earliest) return '';
  const earliest = formatTime(range.earliest, now);
  return range.latest
    ? ` (9 in 10 such jobs: ${earliest} to ${formatTime(range.latest, now)})`
    : ` (${earliest} at the earliest)`;
}
