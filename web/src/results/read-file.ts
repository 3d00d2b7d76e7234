// Reads result files, no more of them than is shown.
import { apiURL, fetchOrThrow } from '../base/api';

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
  const response = await fetchOrThrow(resultURL(job, path), {
    headers: { Range: `bytes=0-${limit - 1}` },
    signal,
  }).catch((error: unknown) => {
    // An empty file has no first byte.
    if ((error as { status?: number }).status === 416) return undefined;
    throw error;
  });
  if (!response) return { text: '', size: 0, cut: false };
  const bytes = new Uint8Array(await response.arrayBuffer());
  const size = Number(/\/(\d+)$/.exec(response.headers.get('Content-Range') ?? '')?.[1] ?? bytes.length);
  const cut = size > bytes.length;
  const text = new TextDecoder().decode(bytes);
  return { text: cut ? text.slice(0, text.lastIndexOf('\n') + 1) || text : text, size, cut };
}

/** The begin of a file, as it is. */
export interface BytesRead {
  bytes: ArrayBuffer;
  /** Bytes of the whole file. */
  size: number;
}

/** Reads at most `limit` bytes of what is at an address, and tells how far it is. */
export async function readBytes(
  url: string,
  limit: number,
  progress: (read: number, size: number) => void,
  signal: AbortSignal,
): Promise<BytesRead> {
  const response = await fetchOrThrow(url, { headers: { Range: `bytes=0-${limit - 1}` }, signal }).catch(
    (error: unknown) => {
      // An empty file has no first byte.
      if ((error as { status?: number }).status === 416) return undefined;
      throw error;
    },
  );
  if (!response?.body) return { bytes: new ArrayBuffer(0), size: 0 };
  const named = /\/(\d+)$/.exec(response.headers.get('Content-Range') ?? '')?.[1];
  const parts: Uint8Array[] = [];
  let read = 0;
  const reader = response.body.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    parts.push(part.value);
    read += part.value.length;
    progress(read, Number(named ?? 0));
  }
  const bytes = new Uint8Array(read);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return { bytes: bytes.buffer, size: Number(named ?? read) };
}
