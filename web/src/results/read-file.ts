// Reads result files, no more of them than is shown.
import { apiURL, fetchOrThrow } from '../base/api';
import { joinBytes } from '../job/log-source';

/** The begin of a file. */
export interface FileText {
  text: string;
  /** Bytes of the whole file. */
  size: number;
  /** Whether there is more than what was read. */
  cut: boolean;
}

/** The address of a result file. */
export function resultURL(job: string, path: string, query: Record<string, boolean> = {}): string {
  const encoded = path.split('/').map(encodeURIComponent).join('/');
  return apiURL(`v1/jobs/${encodeURIComponent(job)}/results/${encoded}`, query);
}

/** Reads at most `limit` bytes of a file as text. Of a cut text the last, broken line is left out. */
export async function readText(job: string, path: string, limit: number, signal: AbortSignal): Promise<FileText> {
  const { bytes, size } = await readBytes(resultURL(job, path), limit, signal);
  const cut = size > bytes.length;
  const text = new TextDecoder().decode(bytes);
  return { text: cut ? text.slice(0, text.lastIndexOf('\n') + 1) || text : text, size, cut };
}

/** The begin of a file, as it is. */
export interface BytesRead {
  bytes: Uint8Array;
  /** Bytes of the whole file. */
  size: number;
}

/**
 * Reads at most `limit` bytes of what is at an address. Calls back after each piece with what was read so far and the
 * size of the whole, 0 while that is not known.
 */
export async function readBytes(
  url: string,
  limit: number,
  signal: AbortSignal,
  progress: (read: number, size: number) => void = () => {},
): Promise<BytesRead> {
  const response = await fetchOrThrow(url, { headers: { Range: `bytes=0-${limit - 1}` }, signal }).catch(
    (error: unknown) => {
      // An empty file has no first byte.
      if ((error as { status?: number }).status === 416) return undefined;
      throw error;
    },
  );
  if (!response?.body) return { bytes: new Uint8Array(0), size: 0 };
  const named = /\/(\d+)$/.exec(response.headers.get('Content-Range') ?? '')?.[1];
  const parts: Uint8Array[] = [];
  let read = 0;
  const reader = response.body.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    parts.push(part.value);
    read += part.value.length;
    progress(read, Number(named ?? 0));
  }
  return { bytes: joinBytes(parts), size: Number(named ?? read) };
}
