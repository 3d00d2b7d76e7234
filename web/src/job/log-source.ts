// Reads the output of a job: pieces of it by offset, its end as it grows, and all of it for a search.

import { ApiError, apiURL, errorFromStatus, fetchOrThrow } from '../base/api';
import { readEvents } from '../base/sse';
import type { StreamLogsResponseJson } from '../gen/stint/jobs/v1/job_service_pb';

export type LogName = 'stdout' | 'stderr';

/** Bytes of a log, and where they stand in it. */
export interface LogBytes {
  offset: number;
  data: Uint8Array;
  /** Bytes written so far. */
  size: number;
}

export interface LogQuery {
  offset?: number;
  tailLines?: number;
  limitBytes?: number;
  follow?: boolean;
}

const noBytes = new Uint8Array(0);

/** One of a job's output streams. */
export class LogSource {
  constructor(
    readonly job: string,
    readonly name: LogName,
    /** 0 is the latest. */
    readonly attempt: number,
  ) {}

  /** Where the whole of it can be downloaded. */
  get downloadURL(): string {
    return this.url({}, { download: true });
  }

  private url(query: LogQuery, more: Record<string, boolean> = {}): string {
    const path = `v1/jobs/${encodeURIComponent(this.job)}/logs/${this.name}`;
    return apiURL(path, { ...query, ...more, attempt: this.attempt || undefined });
  }

  /** Calls back when the server has answered, and with what is there, frame by frame, until it ends the stream. */
  async stream(
    query: LogQuery,
    signal: AbortSignal,
    take: (bytes: LogBytes) => void,
    opened: () => void = () => {},
  ): Promise<void> {
    const response = await fetchOrThrow(this.url(query), { headers: { Accept: 'text/event-stream' }, signal });
    if (response.status === 204) return opened(); // there is nothing, and there will be nothing
    if (!response.body) throw new ApiError('The connection broke off.', 0, 'UNREACHABLE');
    opened();
    await readEvents(
      response.body,
      ({ event, data }) => {
        const frame = JSON.parse(data) as StreamLogsResponseJson & { error?: { message?: string } };
        if (event === 'problem') throw errorFromStatus(frame.error ?? (frame as { message?: string }), 0);
        take({
          offset: Number(frame.offset ?? 0),
          data: frame.data ? decodeBase64(frame.data) : noBytes,
          size: Number(frame.sizeBytes ?? 0),
        });
      },
      () => {},
    );
  }

  /** Reads at most `limit` bytes from an offset on. Where the middle was dropped, the answer begins later. */
  async read(offset: number, limit: number, signal: AbortSignal): Promise<LogBytes> {
    const frames: LogBytes[] = [];
    await this.stream({ offset, limitBytes: limit }, signal, (frame) => frames.push(frame));
    const size = frames.at(-1)?.size ?? offset;
    const filled = frames.filter((frame) => frame.data.length > 0);
    const start = filled[0]?.offset ?? offset;
    // A gap inside ends the answer: what is behind it is asked for by its own offset.
    const whole: Uint8Array[] = [];
    let next = start;
    for (const frame of filled) {
      if (frame.offset !== next) break;
      whole.push(frame.data);
      next += frame.data.length;
    }
    return { offset: start, data: joinBytes(whole), size };
  }

  /** The last lines, at most `limit` bytes of them. */
  async tail(lines: number, limit: number, signal: AbortSignal): Promise<LogBytes> {
    const { offset, size } = await this.tailOffset(lines, signal);
    return this.read(Math.max(offset, size - limit), limit, signal);
  }

  /** The offset that the last `lines` lines begin at. */
  async tailOffset(lines: number, signal: AbortSignal): Promise<{ offset: number; size: number }> {
    const done = new AbortController();
    let found = { offset: 0, size: 0 };
    try {
      await this.stream({ tailLines: lines }, AbortSignal.any([signal, done.signal]), ({ offset, size }) => {
        found = { offset, size };
        done.abort();
      });
    } catch (error) {
      if (!done.signal.aborted || signal.aborted) throw error;
    }
    return found;
  }
}

export function joinBytes(parts: readonly Uint8Array[]): Uint8Array {
  const [only] = parts;
  if (parts.length === 1 && only) return only;
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function decodeBase64(text: string): Uint8Array {
  const native = (Uint8Array as unknown as { fromBase64?: (text: string) => Uint8Array }).fromBase64;
  if (native) return native(text);
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}
