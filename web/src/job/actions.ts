// What can be done with one job, each with the reason why not where it cannot.

import type { Action } from '../base/action-bar';
import { ApiError, apiURL, call } from '../base/api';
import { cancelJobs, reportIssue } from '../base/calls';
import { ask } from '../base/dialog';
import { formatRelative } from '../base/format';
import { serverURL } from '../base/place';
import { navigate, pathOf } from '../base/router';
import type { Session } from '../base/session';
import { toast } from '../base/toast';
import { isFinal, visible } from '../base/words';
import type { JobJson } from '../gen/stint/jobs/v1/job_pb';
import type { KeepResponseJson } from '../gen/stint/jobs/v1/job_service_pb';
import { openShare } from './share';

/** The actions for a job. `changed` is called when one may have changed it. */
export function jobActions(job: JobJson, session: Session, changed: () => void): Action[] {
  const id = job.id ?? '';
  return [
    {
      id: 'cancel',
      label: 'Cancel',
      icon: 'stop',
      hint: 'Cancel this job',
      danger: true,
      unavailable: isFinal(job.state) ? 'the job has ended' : job.cancelTime ? 'it is being cancelled' : undefined,
      run: () => cancel(job, session, changed),
    },
    {
      id: 'rerun',
      label: 'Rerun',
      icon: 'rerun',
      hint: 'Open the form with the same parameters',
      run: () => navigate(`${pathOf('submit', job.service ?? '')}?rerun=${encodeURIComponent(id)}`),
    },
    {
      id: 'issue',
      label: 'Report issue',
      icon: 'issue',
      hint: 'Tell the operators of a problem',
      run: () => report(job),
    },
    {
      id: 'download',
      label: 'Results',
      icon: 'download',
      hint: 'Download all results as one zip file',
      unavailable: job.startTime ? undefined : 'the job has not started',
      run: () => download(apiURL(`v1/jobs/${encodeURIComponent(id)}/results.zip`)),
    },
    {
      id: 'share',
      label: 'Share',
      icon: 'user',
      hint: 'Let another user see this job',
      unavailable: job.owner === session.status?.user ? undefined : 'only its owner can share it',
      run: () => openShare(id),
    },
    ...keepAction(job, session, changed),
    { id: 'link', label: 'Copy link', icon: 'link', hint: 'Copy the address of this page', run: () => copyLink(id) },
  ];
}

/** Keeps a job against retention, or takes that back, where the server deletes jobs by age. */
function keepAction(job: JobJson, session: Session, changed: () => void): Action[] {
  if (!job.expireTime && !job.keepTime) return [];
  const kept = Boolean(job.keepTime);
  const verb = kept ? 'unkeep' : 'keep';
  return [
    {
      id: 'keep',
      label: kept ? 'Kept' : 'Keep',
      icon: 'keep',
      hint: kept
        ? 'Take back that it is kept: the server may delete it by age again'
        : 'Keep this job with its logs and results; they count in your quota',
      unavailable: job.owner === session.status?.user ? undefined : 'only its owner can keep it',
      run: () =>
        tellErrors(async () => {
          const answer = await call<KeepResponseJson>('POST', `v1/jobs/${encodeURIComponent(job.id ?? '')}:${verb}`, {
            body: {},
          });
          const end = formatRelative(answer.job?.expireTime);
          if (!kept) toast('The job and its results are kept.', { kind: 'success' });
          else toast(end ? `The job is deleted ${end}.` : 'The job is not kept any more.');
          changed();
        }),
    },
  ];
}

async function cancel(job: JobJson, session: Session, changed: () => void): Promise<void> {
  const foreign = session.foreign(job.owner);
  const whose = foreign ? ` It belongs to ${visible(job.owner)}, who will read your reason.` : '';
  const reason = await ask({
    title: `Cancel job ${job.id}?`,
    body: `It ends and its results so far are kept. This cannot be taken back.${whose}`,
    confirm: 'Cancel the job',
    danger: true,
    text: { label: foreign ? 'Why' : 'Why (optional)', required: foreign, maxLength: 250 },
  });
  if (reason === undefined) return;
  await tellErrors(async () => {
    const answer = await cancelJobs([job.id ?? ''], reason);
    const [result] = answer.results ?? [];
    if (result?.error) toast(result.error.message ?? 'The job could not be cancelled.', { kind: 'error' });
    else if (result?.job?.state === 'STATE_CANCELLED') toast('The job is cancelled.', { kind: 'success' });
    else if (isFinal(result?.job?.state)) toast('The job had ended before.');
    else toast('The job is being cancelled.');
    changed();
  });
}

async function report(job: JobJson): Promise<void> {
  const words = await ask({
    title: `Report an issue with job ${job.id}`,
    body: 'The operators get what you write together with the facts of the job: its state, times, parameters and the addresses of its logs.',
    confirm: 'Send the report',
    text: {
      label: job.state === 'STATE_FAILED' ? 'What is wrong (optional)' : 'What is wrong',
      required: job.state !== 'STATE_FAILED',
      maxLength: 5000,
      rows: 6,
      draft: `report ${job.id}`,
    },
  });
  if (words === undefined) return;
  await tellErrors(async () => {
    const { issueId } = await reportIssue(job.id ?? '', words);
    toast(`Thank you. The report is number ${issueId}.`, { kind: 'success' });
  });
}

async function copyLink(id: string): Promise<void> {
  const address = new URL(pathOf('jobs', id), serverURL()).href;
  try {
    await navigator.clipboard.writeText(address);
    toast('The link is copied.', { kind: 'success' });
  } catch {
    toast(`The browser does not allow to copy. The link is ${address}`);
  }
}

/** Has the browser save what is at an address. */
export function download(address: string): void {
  const link = document.createElement('a');
  link.href = address;
  link.download = '';
  link.click();
}

/** Does something, and shows the user why it did not work out. */
export async function tellErrors(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    const violations = error instanceof ApiError ? error.violations.map((v) => v.description) : [];
    const message = error instanceof Error ? error.message : String(error);
    toast([message, ...violations].join('\n'), { kind: 'error' });
  }
}
