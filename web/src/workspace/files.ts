// The calls for files of the workspace.
import { call } from '../base/api';
import type {
  DeleteResponseJson,
  ListResponseJson,
  WorkspaceEntryJson,
} from '../gen/stint/workspace/v1/workspace_service_pb';
import { workspaceURL } from './paths';

export function listFolder(path: string, pageToken = '', signal?: AbortSignal): Promise<ListResponseJson> {
  return call('GET', 'v1/workspace', { query: { path, pageToken }, ...(signal && { signal }) });
}

export function deleteEntry(entry: WorkspaceEntryJson): Promise<DeleteResponseJson> {
  return call('DELETE', workspaceURL(entry.path ?? ''), { query: entry.folder ? { recursive: true } : {} });
}

/** The files that were dropped. Folders cannot be taken. */
export function droppedFiles(event: DragEvent): File[] {
  const items = [...(event.dataTransfer?.items ?? [])];
  return items
    .filter((item) => item.kind === 'file' && !item.webkitGetAsEntry()?.isDirectory)
    .map((item) => item.getAsFile())
    .filter((file) => file !== null);
}
