// The calls of the contract that the pages make, with their types.
import type { GetServerStatusResponseJson } from '../gen/stint/admin/v1/status_service_pb';
import type {
  ListResponseJson as ListServicesResponseJson,
  ServiceJson,
} from '../gen/stint/catalog/v1/catalog_service_pb';
import type { JobJson } from '../gen/stint/jobs/v1/job_pb';
import type {
  BatchCancelResponseJson,
  GetResponseJson,
  ListResponseJson,
  ReportIssueResponseJson,
  SummarizeResponseJson,
  SummaryJson,
} from '../gen/stint/jobs/v1/job_service_pb';
import { call } from './api';

/** What a page of jobs is asked for with. */
export interface ListQuery {
  filter?: string;
  orderBy?: string;
  pageSize?: number;
  pageToken?: string;
  owner?: string;
}

export function listJobs(query: ListQuery, signal?: AbortSignal): Promise<ListResponseJson> {
  return call('GET', 'v1/jobs', { query: { ...query }, ...(signal && { signal }) });
}

export async function getJob(id: string, signal?: AbortSignal): Promise<JobJson> {
  const answer = await call<GetResponseJson>('GET', `v1/jobs/${encodeURIComponent(id)}`, { ...(signal && { signal }) });
  return answer.job ?? {};
}

export async function summarize(owner = '', signal?: AbortSignal): Promise<SummaryJson> {
  const answer = await call<SummarizeResponseJson>('GET', 'v1/jobs:summarize', {
    query: { owner },
    ...(signal && { signal }),
  });
  return answer.summary ?? {};
}

/** Asks for jobs to be cancelled; answers for each. */
export function cancelJobs(ids: readonly string[], reason = ''): Promise<BatchCancelResponseJson> {
  return call('POST', 'v1/jobs:batchCancel', { body: { ids, reason } });
}

export function reportIssue(id: string, description: string): Promise<ReportIssueResponseJson> {
  return call('POST', `v1/jobs/${encodeURIComponent(id)}:reportIssue`, { body: { description } });
}

export function serverStatus(signal?: AbortSignal): Promise<GetServerStatusResponseJson> {
  return call('GET', 'v1/status', { ...(signal && { signal }) });
}

let services: Promise<ServiceJson[]> | undefined;

/** The catalog of services. It is read once; a failure is forgotten, so that the next call tries again. */
export function listServices(): Promise<ServiceJson[]> {
  services ??= allServices().catch((error: unknown) => {
    services = undefined;
    throw error;
  });
  return services;
}

async function allServices(): Promise<ServiceJson[]> {
  const all: ServiceJson[] = [];
  let pageToken = '';
  do {
    const page = await call<ListServicesResponseJson>('GET', 'v1/services', { query: { pageToken } });
    all.push(...(page.services ?? []));
    pageToken = page.nextPageToken ?? '';
  } while (pageToken !== '');
  return all;
}
