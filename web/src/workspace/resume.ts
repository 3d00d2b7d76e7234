// Uploads that go on after the connection or the server was lost. The file goes up in parts, and after a part that broke off
// the server is asked where to go on.
import { ApiError, apiURL, call, errorFromStatus } from '../base/api';
import type {
  CreateUploadRequestJson,
  CreateUploadResponseJson,
  GetUploadResponseJson,
  UploadJson,
  WorkspaceEntryJson,
} from '../gen/stint/workspace/v1/workspace_service_pb';

/** How an upload reaches the server. */
export interface Wire {
  create(request: CreateUploadRequestJson, signal: AbortSignal): Promise<UploadJson>;
  get(id: string, signal: AbortSignal): Promise<UploadJson>;
  /** Adds bytes and calls back with how many of them are sent. */
  append(id: string, offset: number, part: Blob, sent: (bytes: number) => void, signal: AbortSignal): Promise<void>;
  wait(milliseconds: number): Promise<void>;
}

export interface SendOptions {
  signal: AbortSignal;
  /** Called with the share that is sent, 0 to 1. */
  onSent: (share: number) => void;
  overwrite?: boolean;
}

/** As much as a proxy that keeps whole requests loses when one breaks off. */
export const partBytes = 8 * 1024 * 1024;

/** How long to wait between tries: doubling, for some ten minutes in all. */
const firstWait = 500;
const longestWait = 10_000;
const maxFailures = 64;

/** Uploads a file, going on with what an earlier upload of the same file left. Returns what was stored. */
export async function sendFile(
  path: string,
  file: File,
  { signal, onSent, overwrite = false }: SendOptions,
  wire: Wire = overHTTP,
): Promise<WorkspaceEntryJson> {
  const request: CreateUploadRequestJson = {
    path,
    overwrite,
    sizeBytes: String(file.size),
    resumeKey: `${file.size} ${file.lastModified}`,
  };
  let upload = await patiently(wire, signal, () => wire.create(request, signal));
  const id = upload.id ?? '';
  for (let failures = 0; !upload.entry; ) {
    const offset = Number(upload.offset ?? 0);
    const tell = (bytes: number) => onSent(file.size === 0 ? 1 : (offset + bytes) / file.size);
    tell(0);
    try {
      await wire.append(id, offset, file.slice(offset, offset + partBytes), tell, signal);
      failures = 0;
    } catch (error) {
      if (signal.aborted || !passes(error) || ++failures > maxFailures) throw error;
      await wire.wait(waitAfter(failures, error));
    }
    upload = await patiently(wire, signal, () => wire.get(id, signal));
    if (Number(upload.offset ?? 0) > offset) failures = 0;
  }
  onSent(1);
  return upload.entry;
}

/** Calls again while the server is away. */
async function patiently<T>(wire: Wire, signal: AbortSignal, make: () => Promise<T>): Promise<T> {
  for (let failures = 0; ; ) {
    try {
      return await make();
    } catch (error) {
      if (signal.aborted || !away(error) || ++failures > maxFailures) throw error;
      await wire.wait(waitAfter(failures, error));
    }
  }
}

/** Whether the server may be there in a moment. Where it asks for more patience than that, the user is told why. */
function away(error: unknown): boolean {
  return (
    error instanceof ApiError && (error.retryAfter === undefined ? error.unreachable : error.retryAfter <= longestWait)
  );
}

/** Whether asking where to go on can help. */
function passes(error: unknown): boolean {
  return away(error) || (error instanceof ApiError && (error.status === 408 || error.reason === 'UPLOAD_OFFSET'));
}

function waitAfter(failures: number, error: unknown): number {
  const asked = error instanceof ApiError ? (error.retryAfter ?? 0) : 0;
  return Math.max(asked, Math.min(longestWait, firstWait * 2 ** (failures - 1)));
}

const overHTTP: Wire = {
  async create(body, signal) {
    return (await call<CreateUploadResponseJson>('POST', 'v1/uploads', { body, signal })).upload ?? {};
  },
  async get(id, signal) {
    return (await call<GetUploadResponseJson>('GET', `v1/uploads/${encodeURIComponent(id)}`, { signal })).upload ?? {};
  },
  append: (id, offset, part, sent, signal) =>
    // XMLHttpRequest, for fetch cannot tell how much of a body is sent.
    new Promise((resolve, reject) => {
      const request = new XMLHttpRequest();
      request.open('PATCH', apiURL(`v1/uploads/${encodeURIComponent(id)}`));
      request.setRequestHeader('Tus-Resumable', '1.0.0');
      request.setRequestHeader('Upload-Offset', String(offset));
      request.setRequestHeader('Content-Type', 'application/offset+octet-stream');
      request.responseType = 'json';
      const abort = () => request.abort();
      request.upload.onprogress = (event) => sent(event.loaded);
      request.onload = () => {
        if (request.status === 204) resolve();
        else reject(errorFromStatus((request.response as { message?: string } | null) ?? {}, request.status));
      };
      request.onerror = () => reject(new ApiError('The server cannot be reached.', 0, 'UNREACHABLE'));
      request.onabort = () => reject(new DOMException('The upload was stopped.', 'AbortError'));
      request.onloadend = () => signal.removeEventListener('abort', abort);
      signal.addEventListener('abort', abort);
      if (signal.aborted) reject(new DOMException('The upload was stopped.', 'AbortError'));
      else request.send(part);
    }),
  wait: (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds)),
};
