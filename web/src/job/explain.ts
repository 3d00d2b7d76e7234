// What a state means for the user and what to do about it, where the server's own words leave that open.
import { durationMillis, formatBytes, formatMillis } from '../base/format';
import type { JobJson, ReasonJson } from '../gen/stint/jobs/v1/job_pb';
import { writeDuration, writeSize } from '../submit/options';

/** A sentence on what is the case, and one on what the user can do; both may be empty. */
export interface Explanation {
  what: string;
  todo: string;
}

const explanations: Partial<Record<ReasonJson, Explanation>> = {
  REASON_EXIT_NONZERO: {
    what: 'The command ended with an error.',
    todo: 'Correct the input or a parameter, then rerun the job.',
  },
  REASON_SIGNALLED: {
    what: 'The command was ended by a signal that nobody here sent: it crashed.',
    todo: 'If the input is fine, report the issue.',
  },
  REASON_OUT_OF_MEMORY: {
    what: 'The job needed more memory than it was given.',
    todo: 'Rerun it with more memory, or with smaller input.',
  },
  REASON_TIME_LIMIT: {
    what: 'The job ran longer than its time limit.',
    todo: 'Rerun it with a longer limit, or with smaller input.',
  },
  REASON_NODE_FAILED: { what: 'The machine under the job failed.', todo: 'It is no fault of the job: rerun it.' },
  REASON_PREEMPTED: {
    what: 'The cluster took the resources away for other work.',
    todo: 'It is no fault of the job: rerun it.',
  },
  REASON_CANCELLED_BY_OWNER: { what: 'The job was cancelled by its owner.', todo: '' },
  REASON_CANCELLED_BY_OPERATOR: {
    what: 'An operator cancelled the job.',
    todo: 'Ask the operators when it is not clear why.',
  },
  REASON_CANCELLED_BY_ENGINE: {
    what: 'The job was cancelled in the cluster itself.',
    todo: 'Rerun it, or ask the operators why.',
  },
  REASON_SUBMIT_REJECTED: {
    what: 'The cluster refused the job for good.',
    todo: 'It may ask for more than the cluster has. Rerun it with less, or report the issue.',
  },
  REASON_LAUNCH_FAILED: {
    what: 'The command could not be started.',
    todo: 'This is for the operators: report the issue.',
  },
  REASON_INPUT_MISSING: {
    what: 'A file that the parameters name was gone when the job was about to start.',
    todo: 'Upload it again, then rerun the job.',
  },
  REASON_OUTPUT_FAILED: {
    what: 'The command ended well, but its results could not be stored.',
    todo: 'Look whether your workspace is full. Its files can be downloaded here.',
  },
  REASON_LOST: {
    what: 'The engine no longer knows the job, and it left no result.',
    todo: 'It is no fault of the job: rerun it.',
  },
  REASON_DISK_FULL: {
    what: 'The disk for the output of jobs is full.',
    todo: 'This is for the operators: report the issue, and rerun the job later.',
  },
  REASON_WAITING_FOR_RESOURCES: {
    what: 'The job waits for free cores or memory.',
    todo: 'Nothing to do: it starts by itself.',
  },
  REASON_WAITING_FOR_TURN: { what: 'The job waits for its turn.', todo: 'Nothing to do: it starts by itself.' },
  REASON_WAITING_FOR_ENGINE: {
    what: 'The engine that runs the jobs cannot be reached.',
    todo: 'Nothing to do: it starts by itself when the engine is back.',
  },
  REASON_WAITING_FOR_SPACE: {
    what: "The server's disk has too little room to start the job.",
    todo: 'Nothing to do: it starts by itself when there is room. Files that you delete make room, too.',
  },
  REASON_ENGINE_HELD: {
    what: 'The cluster or its administrator holds the job.',
    todo: 'Ask the operators when that takes long.',
  },
  REASON_WAITING_FOR_RETRY: {
    what: 'The previous attempt failed for a reason of the infrastructure.',
    todo: 'Nothing to do: the next attempt comes by itself.',
  },
};

// The page quotes what the log says, in place of the server's hint that it says something.
const withoutHint = (message: string) => message.replace(/ ?Its error output (says|may say) more\.$/, '');

/** Explains the state of a job. The server's own message goes before the general words. */
export function explain(job: JobJson): Explanation {
  const general = explanations[job.reason ?? 'REASON_UNSPECIFIED'] ?? { what: '', todo: '' };
  if (job.cancelTime && job.state !== 'STATE_CANCELLED' && !job.completeTime) {
    return { what: 'The job is being cancelled.', todo: 'It gets a moment to end by itself.' };
  }
  return { what: withoutHint(job.message ?? '') || general.what, todo: general.todo };
}

/** What to change for a rerun, as a query of the form, and the words for it. Undefined where it cannot be told. */
export function remedy(job: JobJson): { query: string; words: string } | undefined {
  const { memoryBytes, timeLimit } = job.attempts?.at(-1)?.resources ?? job.resources ?? {};
  if (job.reason === 'REASON_OUT_OF_MEMORY' && Number(memoryBytes ?? 0) > 0) {
    const twice = 2 * Number(memoryBytes);
    return {
      query: `memory=${writeSize(twice)}`,
      words: `Rerun with ${formatBytes(twice)} (it had ${formatBytes(memoryBytes)})`,
    };
  }
  const limit = durationMillis(timeLimit);
  if (job.reason === 'REASON_TIME_LIMIT' && limit > 0) {
    return {
      query: `timeLimit=${writeDuration(`${(2 * limit) / 1000}s`)}`,
      words: `Rerun with ${formatMillis(2 * limit)} (it had ${formatMillis(limit)})`,
    };
  }
  return undefined;
}
