// When the server deletes a finished job with its results, and whether its owner keeps it.
import type { JobJson } from '../gen/stint/jobs/v1/job_pb';
import { formatRelative, millis } from './format';

type Kept = Pick<JobJson, 'expireTime' | 'keepTime'>;

/** From when on lists warn of it. */
const soon = 7 * 86_400_000;

/** That a job is deleted within a week, as `ends in 3 days`; empty for others. */
export function endsSoon({ expireTime }: Kept, now: number): string {
  const left = millis(expireTime) - now;
  if (Number.isNaN(left) || left > soon) return '';
  return left < 60_000 ? 'ends now' : `ends ${formatRelative(expireTime, now)}`;
}
