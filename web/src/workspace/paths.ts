// Paths of the workspace, as addresses of pages and of bytes.
import { apiURL } from '../base/api';

/** The page of a folder. Its path is absolute within the workspace. */
export function workspaceHref(folder: string): string {
  const segments = folder.split('/').filter((s) => s !== '');
  return ['workspace', ...segments.map(encodeURIComponent)].join('/');
}

/** The bytes of a file. */
export function workspaceURL(path: string, query: Record<string, boolean> = {}): string {
  const segments = path.split('/').filter((s) => s !== '');
  return apiURL(`v1/workspace/${segments.map(encodeURIComponent).join('/')}`, query);
}

export function joinPath(folder: string, name: string): string {
  return `${folder.replace(/\/+$/, '')}/${name}`;
}

export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

export function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}
