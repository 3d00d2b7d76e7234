// The order of a job's files: those that the service names come first, in its order.
import type { ServiceJson } from '../gen/stint/catalog/v1/catalog_service_pb';
import type { ResultFileJson } from '../gen/stint/jobs/v1/job_service_pb';

// globOf is a pattern of service.yaml as a regular expression: `*` and `?` stay within a folder.
function globOf(pattern: string): RegExp {
  const text = pattern
    .replace(/[.+^${}()|\\]/g, '\\$&')
    .replace(/\*/g, '[^/]*')
    .replace(/\?/g, '[^/]');
  try {
    return new RegExp(`^${text}$`);
  } catch {
    return /^$/; // a class of characters that is none
  }
}

/** A folder of files, or the files that stand first. */
export interface FileGroup {
  /** Empty for the files that the service names and those outside of folders. */
  folder: string;
  files: ResultFileJson[];
}

/** The files that the service names, then those outside of folders, then folder by folder. */
export function groupFiles(files: readonly ResultFileJson[], service: ServiceJson | undefined): FileGroup[] {
  const patterns = (service?.results ?? []).map((r) => globOf(r.pattern ?? ''));
  const rankOf = (file: ResultFileJson) => {
    const at = patterns.findIndex((p) => p.test(file.path ?? ''));
    return at >= 0 ? at : file.title ? patterns.length : patterns.length + 1;
  };
  const ranked = files.map((file) => ({ file, rank: rankOf(file) })).sort((a, b) => a.rank - b.rank);
  const groups: FileGroup[] = [{ folder: '', files: [] }];
  for (const { file, rank } of ranked) {
    const path = file.path ?? '';
    const folder = rank <= patterns.length ? '' : path.slice(0, Math.max(0, path.lastIndexOf('/')));
    let group = groups.find((g) => g.folder === folder);
    if (!group) {
      group = { folder, files: [] };
      groups.push(group);
    }
    group.files.push(file);
  }
  return groups;
}
