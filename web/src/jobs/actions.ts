// What can be done with the selected jobs, when, and how.
import { html, type TemplateResult } from 'lit';
import type { Action } from '../base/action-bar';
import { ApiError, apiURL, call } from '../base/api';
import { cancelJobs, reportIssue } from '../base/calls';
import { ask } from '../base/dialog';
import { formatCount } from '../base/format';
import { serverURL } from '../base/place';
import { navigate, pathOf } from '../base/router';
import { routes } from '../base/routes';
import type { Session } from '../base/session';
import { toast } from '../base/toast';
import { isFinal, stateLabel, stateName, visible } from '../base/words';
import type { RerunResponseJson } from '../gen/stint/jobs/v1/job_service_pb';
import type { Row } from './job-list';

const tellAtMost = 8;
/** Jobs that one call cancels. */
const cancelAtMost = 1000;

/** The actions for the selected jobs. While some of them are still being read nothing is done: a part is not the selection. */
export function jobActions(rows: readonly Row[], session: Session, pending = false): Action[] {
  const one = rows.length === 1 ? rows[0] : undefined;
  const none = pending
    ? 'The selected jobs are still being read.'
    : rows.length === 0
      ? 'Select a job first.'
      : undefined;
  const single = none ?? (one ? undefined : 'Select one job only.');
  const alive = rows.filter((r) => !isFinal(r.state) && !r.cancelTime);
  const withResults = rows.filter((r) => r.startTime);
  return [
    {
      id: 'view',
      label: 'View',
      icon: 'view',
      hint: 'See the job, its logs and results',
      unavailable: single,
      run: () => one && viewJob(one.id),
    },
    {
      id: 'cancel',
      label: 'Cancel',
      icon: 'stop',
      danger: true,
      hint: 'End jobs that wait or run',
      unavailable: none ?? (alive.length > 0 ? undefined : cancelHint(rows)),
      run: () => cancel(alive, rows.length, session),
    },
    {
      id: 'rerun',
      label: 'Rerun',
      icon: 'rerun',
      hint: 'Submit new jobs like these',
      unavailable: none,
      run: () =>
        one && canOpenForm()
          ? navigate(`${pathOf('submit', one.service ?? '')}?rerun=${one.id}`)
          : rerun(rows, session),
    },
    {
      id: 'report',
      label: 'Report issue',
      icon: 'issue',
      hint: 'Tell the operators of a problem with a job',
      unavailable: single,
      run: () => one && report(one),
    },
    {
      id: 'download',
      label: 'Results',
      icon: 'download',
      hint: 'Download all result files as zip archives',
      unavailable: none ?? (withResults.length > 0 ? undefined : 'A job that has not started has no results.'),
      run: () => download(withResults),
    },
    {
      id: 'compare',
      label: 'Compare',
      icon: 'compare',
      hint: 'See what two jobs differ in',
      unavailable: none ?? (rows.length === 2 ? undefined : 'Select two jobs.'),
      // The older one is the first.
      run: () => navigate(pathOf('compare', ...rows.map((r) => r.id).sort((a, b) => Number(a) - Number(b)))),
    },
    {
      id: 'copy',
      label: 'Copy link',
      icon: 'link',
      hint: 'Copy the addresses of the jobs',
      unavailable: none,
      run: () => copyLinks(rows),
    },
  ];
}

/** Shows or hides what is known of the selected job beside the table. */
export function detailsAction(on: boolean, run: () => void): Action {
  return {
    id: 'details',
    label: on ? 'Hide details' : 'Details',
    icon: on ? 'right' : 'left',
    hint: on ? 'Hide the details of the selected job' : 'Show the details of the selected job beside the table',
    run,
  };
}

export function viewJob(id: string): void {
  navigate(pathOf('jobs', id));
}

function cancelHint(rows: readonly Row[]): string {
  if (rows.some((r) => !isFinal(r.state))) return 'It is being cancelled already.';
  return rows.length === 1 ? 'It has ended.' : 'They have all ended.';
}

// The form is a page of its own; where it is not built in, the job is submitted again as it was.
function canOpenForm(): boolean {
  return routes.some((r) => r.folder === 'submit');
}

const count = (n: number) => (n === 1 ? '1 job' : `${formatCount(n)} jobs`);

function names(rows: readonly Row[]): TemplateResult {
  const more = rows.length - tellAtMost;
  return html`<ul>${rows.slice(0, tellAtMost).map((r) => html`<li>${r.id} – ${visible(r.outputName) || r.service}</li>`)}
    ${more > 0 ? html`<li>and ${more} more</li>` : ''}</ul>`;
}

async function cancel(rows: readonly Row[], selected: number, session: Session): Promise<void> {
  const rest = selected - rows.length;
  const foreign = rows.some((r) => session.foreign(r.owner));
  const reason = await ask({
    title: `Cancel ${count(rows.length)}?`,
    body: html`${names(rows)}${foreign ? html`<p>${othersJobs(rows, session)}</p>` : ''}${rest > 0 ? html`<p>${count(rest)} of the selection cannot be cancelled any more.</p>` : ''}`,
    confirm: `Cancel ${count(rows.length)}`,
    danger: true,
    text: { label: foreign ? 'Why' : 'Why (optional)', required: foreign, maxLength: 250 },
  });
  if (reason === undefined) return;
  await telling('Cancel', async () => {
    const outcomes = new Outcomes();
    const ids = rows.map((r) => r.id);
    for (let at = 0; at < ids.length; at += cancelAtMost) {
      const answer = await cancelJobs(ids.slice(at, at + cancelAtMost), reason);
      for (const { id, job, error } of answer.results ?? []) {
        const state = stateName(job?.state);
        if (error) outcomes.bad(`${id}: ${error.message ?? 'not cancelled'}`);
        else if (state === 'cancelled') outcomes.good('cancelled');
        else if (isFinal(job?.state))
          outcomes.good(`had ended already, ${state ? stateLabel[state].toLowerCase() : ''}`);
        else outcomes.good('being cancelled');
      }
    }
    outcomes.tell(ids);
  });
}

/** Says that an operator is about to act on others' jobs. */
function othersJobs(rows: readonly Row[], session: Session): string {
  const owners = [...new Set(rows.map((r) => r.owner).filter((owner) => session.foreign(owner)))].map(visible);
  const who = owners.length > 3 ? `${owners.length} other users` : owners.join(', ');
  return `There are jobs of ${who} among them. Your reason is kept with what you do.`;
}

async function rerun(rows: readonly Row[], session: Session): Promise<void> {
  const foreign = rows.some((r) => session.foreign(r.owner));
  const reason = await ask({
    title: `Submit ${count(rows.length)} again?`,
    body: html`${names(rows)}<p>The new jobs have the same parameters${foreign ? ' and belong to the same users' : ''}.</p>
      ${foreign ? html`<p>${othersJobs(rows, session)}</p>` : ''}`,
    confirm: `Submit ${count(rows.length)}`,
    ...(foreign && { text: { label: 'Why', required: true, maxLength: 250 } }),
  });
  if (reason === undefined) return;
  const outcomes = new Outcomes();
  for (const row of rows) {
    try {
      const answer = await call<RerunResponseJson>('POST', `v1/jobs/${row.id}:rerun`, {
        body: { id: row.id, requestId: requestId(), reason },
      });
      outcomes.good(rows.length === 1 ? `submitted again as ${answer.job?.id ?? ''}` : 'submitted again');
    } catch (error) {
      outcomes.bad(`${row.id}: ${messageOf(error)}`);
    }
  }
  outcomes.tell(rows.map((r) => r.id));
}

async function report(row: Row): Promise<void> {
  const failed = row.state === 'STATE_FAILED';
  const words = await ask({
    title: `Report an issue with job ${row.id}`,
    body: html`<p>The operators get the job's parameters, state and times with your report.</p>
      ${row.message ? html`<p>${row.message}</p>` : ''}`,
    confirm: 'Send report',
    text: {
      label: failed ? 'What happened (optional)' : 'What is wrong',
      required: !failed,
      maxLength: 5000,
      rows: 6,
      draft: `report ${row.id}`,
    },
  });
  if (words === undefined) return;
  await telling('Report', async () => {
    const { issueId } = await reportIssue(row.id, words);
    toast(`Thank you. Your report is number ${issueId}.`, { kind: 'success' });
  });
}

// One after the other: browsers ask before they save many files at once, and the server makes the archives as they are sent.
async function download(rows: readonly Row[]): Promise<void> {
  for (const row of rows) {
    const link = document.createElement('a');
    link.href = apiURL(`${pathOf('v1', 'jobs', row.id)}/results.zip`);
    link.download = `job-${row.id}-results.zip`;
    document.body.append(link);
    link.click();
    link.remove();
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
}

async function copyLinks(rows: readonly Row[]): Promise<void> {
  const text = rows.map((r) => new URL(pathOf('jobs', r.id), serverURL()).href).join('\n');
  try {
    // Only there where the connection is secure.
    await navigator.clipboard.writeText(text);
    toast(rows.length === 1 ? 'Link copied.' : `${rows.length} links copied.`, { kind: 'success' });
  } catch {
    await ask({ title: 'Copy this', body: html`<pre>${text}</pre>`, confirm: 'Done' });
  }
}

// Outcomes sums up what became of many jobs: what went wrong one by one and first, what went well by number.
class Outcomes {
  private problems: string[] = [];
  private sums = new Map<string, number>();

  bad(line: string): void {
    this.problems.push(line);
  }

  good(what: string): void {
    this.sums.set(what, (this.sums.get(what) ?? 0) + 1);
  }

  tell(ids: readonly string[]): void {
    const lines = this.problems.slice(0, tellAtMost);
    const more = this.problems.length - lines.length;
    if (more > 0) lines.push(`${count(more)} more with a problem`);
    for (const [what, n] of this.sums) {
      const verb = what.startsWith('had') || what.startsWith('submitted') ? what : `${n === 1 ? 'is' : 'are'} ${what}`;
      lines.push(`${ids.length === 1 ? `Job ${ids[0]}` : count(n)} ${verb}.`);
    }
    toast(lines.join('\n'), { kind: this.problems.length > 0 ? 'error' : 'success' });
  }
}

async function telling(what: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    toast(`${what}: ${messageOf(error)}`, { kind: 'error' });
  }
}

function messageOf(error: unknown): string {
  return error instanceof ApiError ? error.message : 'Something went wrong in this page.';
}

function requestId(): string {
  // randomUUID is only there where the connection is secure.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((b) => b.toString(16).padStart(2, '0')).join('');
}
