// Sends a form: as a new job, or as a rerun of one where only what a rerun can change was changed.

import { call } from '../base/api';
import type { JobJson } from '../gen/stint/jobs/v1/job_pb';
import type { RerunResponseJson, SubmitResponseJson } from '../gen/stint/jobs/v1/job_service_pb';

export interface Answer {
  job: JobJson;
  warnings: string[];
}

export interface Request {
  /** The job that the form asks for. */
  job: JobJson;
  /** The job that is repeated. */
  rerunOf: JobJson | undefined;
  /** Whether something was changed that a rerun takes over as it is: resources, labels, priority, folder. */
  beyondRerun: boolean;
  requestId: string;
  validateOnly: boolean;
  /** Why an operator repeats somebody else's job. */
  reason: string;
}

export async function send({ job, rerunOf, beyondRerun, requestId, validateOnly, reason }: Request): Promise<Answer> {
  if (rerunOf?.id && !beyondRerun) {
    const parameters: Record<string, unknown> = { ...(job.parameters as Record<string, unknown>) };
    // What was there and is empty now is taken away.
    for (const name of Object.keys(rerunOf.parameters ?? {})) if (!(name in parameters)) parameters[name] = null;
    const body = { parameters, outputName: job.outputName ?? '', requestId, validateOnly, reason };
    const answer = await call<RerunResponseJson>('POST', `v1/jobs/${encodeURIComponent(rerunOf.id)}:rerun`, { body });
    return { job: answer.job ?? {}, warnings: answer.warnings ?? [] };
  }
  const answer = await call<SubmitResponseJson>('POST', 'v1/jobs', { body: { job, requestId, validateOnly } });
  return { job: answer.job ?? {}, warnings: answer.warnings ?? [] };
}

/** A name for a request, so that sending it twice makes one job. */
export function newRequestId(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, '0')).join('');
}
