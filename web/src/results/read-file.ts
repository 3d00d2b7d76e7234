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
