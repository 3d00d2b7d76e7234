// What is known of two runs, in words.
import { durationMillis, formatBytes, formatElapsed, formatTime } from '../base/format';
import { reasonWords, stateLabel, stateName } from '../base/words';
import type { JobJson } from '../gen/stint/jobs/v1/job_pb';
import { shortMillis } from '../job/duration';
import type { Pair } from './differences';

/** What is known of two runs. Matters that neither has are left out. */
export function runPairs(one: JobJson, two: JobJson, now: number): Pair[] {
  const matters: [string, (job: JobJson) => string | undefined][] = [
    ['Service', (job) => job.service],
    ['State', (job) => stateLabel[stateName(job.state) ?? 'queued']],
    ['Why', (job) => job.message || reasonWords(job.reason, job.exitCode)],
    ['Exit code', (job) => job.exitCode?.toString()],
    ['Submitted', (job) => formatTime(job.submitTime, now)],
    ['Ran', (job) => ran(job, now)],
    ['Processor time', (job) => time(job.attempts?.at(-1)?.usage?.cpuTime)],
    ['Memory used', (job) => bytes(job.attempts?.at(-1)?.usage?.maxRssBytes)],
    ['Memory asked for', (job) => bytes(job.resources?.memoryBytes)],
    ['Cores asked for', (job) => job.resources?.cpus?.toString()],
    ['GPUs asked for', (job) => job.resources?.gpus?.toString()],
    ['Time limit', (job) => time(job.resources?.timeLimit)],
    ['Attempts', (job) => job.attempts?.length.toString()],
    ['Executor', (job) => job.executor],
    ['Node', (job) => job.attempts?.at(-1)?.node],
  ];
  return matters
    .map(([label, of]) => ({ label, one: of(one) || undefined, two: of(two) || undefined }))
    .filter((pair) => pair.one !== undefined || pair.two !== undefined);
}

const ran = (job: JobJson, now: number) =>
  job.startTime ? formatElapsed(job.startTime, job.completeTime, now) : undefined;
const bytes = (n: string | undefined) => (n && n !== '0' ? formatBytes(n) : undefined);
const time = (duration: string | undefined) => {
  const ms = durationMillis(duration);
  return ms > 0 ? shortMillis(ms) : undefined;
};
