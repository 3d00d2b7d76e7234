// The calls for files of the workspace.
import { ApiError, call } from '../base/api';
import { ask } from '../base/dialog';
import type {
  DeleteResponseJson,
  ListResponseJson,
  WorkspaceEntryJson,
} from '../gen/stint/workspace/v1/workspace_service_pb';
import { joinPath, workspaceURL } from './paths';
import { type SendOptions, sendFile } from './resume';

export function listFolder(path: string, pageToken = '', signal?: AbortSignal): Promise<ListResponseJson> {
  return call('GET', 'v1/workspace', { query: { path, pageToken }, ...(signal && { signal }) });
}

export function deleteEntry(entry: WorkspaceEntryJson): Promise<DeleteResponseJson> {
  return call('DELETE', workspaceURL(entry.path ?? ''), { query: entry.folder ? { recursive: true } : {} });
}

/** An upload on its way. */
export interface Upload {
  name: string;
  /** Share of it that is sent, 0 to 1. */
  sent: number;
  done: boolean;
  problem?: string;
}

/**
 * Uploads files into a folder, one after the other; asks before one is replaced. Calls back at every
 * step. Answers what was stored.
 */
export async function uploadFiles(
  folder: string,
  files: readonly File[],
  options: { signal: AbortSignal; progress: (uploads: Upload[]) => void },
): Promise<WorkspaceEntryJson[]> {
  const uploads: Upload[] = files.map((file) => ({ name: file.name, sent: 0, done: false }));
  const tell = () => options.progress(uploads.map((upload) => ({ ...upload })));
  const stored: WorkspaceEntryJson[] = [];
  tell();
  for (const [i, file] of files.entries()) {
    const upload = uploads[i];
    if (!upload || options.signal.aborted) break;
    const onSent = (sent: number) => {
      upload.sent = sent;
      tell();
    };
    try {
      const entry = await sendAsking(joinPath(folder, file.name), file, { signal: options.signal, onSent });
      if (entry) stored.push(entry);
      else upload.problem = 'left as it is';
    } catch (error) {
      upload.problem = (error as Error).message;
    }
    upload.done = true;
    tell();
  }
  return stored;
}

// sendAsking answers undefined when the user keeps the file that is there.
async function sendAsking(path: string, file: File, options: SendOptions): Promise<WorkspaceEntryJson | undefined> {
  try {
    return await sendFile(path, file, options);
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 409) throw error;
    const replace = await ask({
      title: 'Replace the file?',
      body: `There is already a file ${path}.`,
      confirm: 'Replace it',
      danger: true,
    });
    return replace === undefined ? undefined : sendFile(path, file, { ...options, overwrite: true });
  }
}

/** The files that were dropped. Folders cannot be taken. */
export function droppedFiles(event: DragEvent): File[] {
  const items = [...(event.dataTransfer?.items ?? [])];
  return items
    .filter((item) => item.kind === 'file' && !item.webkitGetAsEntry()?.isDirectory)
    .map((item) => item.getAsFile())
    .filter((file) => file !== null);
}
