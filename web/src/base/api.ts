// Calls to the server's REST interface. Every failure is an ApiError, whether the
// server refused, something between answered in its place, or nobody answered.

import type { BadRequestJson, ErrorInfoJson, RetryInfoJson } from '../gen/google/rpc/error_details_pb';
import { learnClock } from './clock';
import { serverURL } from './place';

/** What is wrong with one field of a request. */
export interface Violation {
  field: string;
  description: string;
}

/** A call that did not succeed. Its message is written for users. */
export class ApiError extends Error {
  override name = 'ApiError';

  constructor(
    message: string,
    /** The HTTP status, 0 when the server could not be reached. */
    readonly status: number,
    /** The stable reason, for example `NOT_FOUND` or `QUOTA_EXCEEDED`. */
    readonly reason: string,
    /** What is wrong with the fields of the request. */
    readonly violations: readonly Violation[] = [],
    /** How long to wait before trying again, in milliseconds, where the server says so. */
    readonly retryAfter?: number,
  ) {
    super(message);
  }

  /** Whether the server could not be reached at all, or is on its way down or up. */
  get unreachable(): boolean {
    return this.status === 0 || this.status === 502 || this.status === 503 || this.status === 504;
  }

  /** Whether the caller has to sign in. */
  get signedOut(): boolean {
    return this.status === 401;
  }
}

/** What the pages say where the server does not know the user. */
const signedOutWords = 'Nobody is signed in, or the session has ended. Sign in, and try again.';

/** Tells by `signed-out` that a call was refused because nobody is signed in. */
export const refusals = new EventTarget();

type QueryValue = string | number | boolean | undefined | readonly string[];

/** What a call may carry. */
export interface CallOptions {
  query?: Record<string, QueryValue>;
  body?: unknown;
  signal?: AbortSignal;
  headers?: Record<string, string>;
  /** The address of the server; by default the one that the page came from. */
  server?: string;
}

/** Makes the address of something on the server, for example `v1/jobs`. Empty values of the query are left out. */
export function apiURL(path: string, query: Record<string, QueryValue> = {}, server = serverURL()): string {
  const url = new URL(path, server);
  for (const [name, value] of Object.entries(query)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== '') url.searchParams.append(name, String(one));
    }
  }
  return url.href;
}

/** Calls the server and answers its JSON. */
export async function call<T>(method: string, path: string, options: CallOptions = {}): Promise<T> {
  const headers: Record<string, string> = { Accept: 'application/json', ...options.headers };
  const init: RequestInit = { method, headers, credentials: options.server ? 'include' : 'same-origin' };
  if (options.signal) init.signal = options.signal;
  if (options.body !== undefined) {
    headers['Content-Type'] = 'application/json';
    init.body = JSON.stringify(options.body);
  }
  const response = await fetchOrThrow(apiURL(path, options.query, options.server), init);
  try {
    return (await response.json()) as T;
  } catch (error) {
    throw brokenAnswer(error, response.status);
  }
}

/** Like fetch, but whatever is no success is thrown as an ApiError. Aborting throws the signal's reason, as fetch does. */
export async function fetchOrThrow(url: string, init: RequestInit): Promise<Response> {
  let response: Response;
  const sent = Date.now();
  try {
    response = await fetch(url, init);
    learnClock(response.headers.get('Date'), sent);
  } catch (error) {
    if (init.signal?.aborted) throw error;
    throw new ApiError('The server cannot be reached.', 0, 'UNREACHABLE');
  }
  if (response.status === 401) refusals.dispatchEvent(new Event('signed-out'));
  if (!response.ok) throw await apiErrorOf(response);
  return response;
}

function brokenAnswer(error: unknown, status: number): unknown {
  if (error instanceof DOMException && error.name === 'AbortError') return error;
  return error instanceof SyntaxError
    ? new ApiError('Something between this page and the server answered in its place.', status, 'NOT_STINT')
    : new ApiError('The connection broke off.', 0, 'UNREACHABLE');
}

interface StatusBody {
  message?: string;
  details?: ({ '@type'?: string } & Partial<ErrorInfoJson & BadRequestJson & RetryInfoJson>)[];
}

/** Reads the error that a response carries. */
export async function apiErrorOf(response: Response): Promise<ApiError> {
  let body: StatusBody = {};
  try {
    body = (await response.json()) as StatusBody;
  } catch {
    // A proxy's own page. The status says the most.
  }
  return errorFromStatus(body, response.status, Number(response.headers.get('Retry-After')) || undefined);
}

/** Makes an ApiError of a google.rpc.Status in JSON, as answers and streams carry it. */
export function errorFromStatus(body: StatusBody, status: number, retrySeconds?: number): ApiError {
  let reason = '';
  const violations: Violation[] = [];
  for (const detail of body.details ?? []) {
    reason ||= detail.reason ?? '';
    for (const v of detail.fieldViolations ?? []) {
      violations.push({ field: v.field ?? '', description: v.description ?? '' });
    }
    if (detail.retryDelay) retrySeconds ??= Number.parseFloat(detail.retryDelay);
  }
  // The server's own words are for programs, which send tokens.
  const message = status === 401 ? signedOutWords : body.message || `The server answered with status ${status}.`;
  const retryAfter = retrySeconds === undefined ? undefined : retrySeconds * 1000;
  return new ApiError(message, status, reason || `HTTP_${status}`, violations, retryAfter);
}
