// The table of all pages. A page lives in src/FOLDER/page.ts, which exports
// `tag`; it is loaded when it is first shown. A folder without one is left out
// of the table, so a page comes into being with its file.
import type { PageModule } from './router';

/** One row: which page shows the addresses of a pattern. */
export interface RouteSpec {
  /** Path below the server's own; `:name` is a segment, `*name` at the end the rest. */
  pattern: string;
  /** Folder below src/ that has page.ts. */
  folder: string;
  /** Title of the window. */
  title: string;
  /** Word in the navigation. Without one the page is reached by links alone. */
  nav?: string;
  /** Whether the navigation shows it to operators alone. */
  operators?: boolean;
  /** Whether it shows it to auditors, too. */
  auditors?: boolean;
}

const all: RouteSpec[] = [
  { pattern: '', folder: 'jobs', title: 'Jobs' },
  { pattern: 'jobs', folder: 'jobs', title: 'Jobs', nav: 'Jobs' },
  { pattern: 'jobs/:id', folder: 'job', title: 'Job' },
  { pattern: 'compare/:one/:two', folder: 'compare', title: 'Two jobs' },
  { pattern: 'services', folder: 'submit', title: 'New job', nav: 'New job' },
  { pattern: 'submit/:service', folder: 'submit', title: 'New job' },
  { pattern: 'workspace', folder: 'workspace', title: 'Workspace', nav: 'Workspace' },
  { pattern: 'workspace/*path', folder: 'workspace', title: 'Workspace' },
  { pattern: 'everybody', folder: 'everybody', title: 'Everybody', nav: 'Everybody' },
  { pattern: 'queue', folder: 'operators', title: 'Operations', nav: 'Operations', operators: true },
  { pattern: 'audit', folder: 'audit', title: 'Audit', nav: 'Audit', operators: true, auditors: true },
  { pattern: 'account', folder: 'account', title: 'Account' },
];

const modules = import.meta.glob<PageModule>('../*/page.ts');

const fileOf = (spec: RouteSpec) => `../${spec.folder}/page.ts`;

/** The routes of the pages that there are. */
export const routes: readonly RouteSpec[] = all.filter((spec) => fileOf(spec) in modules);

/** Loads the code of a page. */
export async function loadPage(spec: RouteSpec): Promise<PageModule> {
  const load = modules[fileOf(spec)];
  if (!load) throw new Error(`There is no page in src/${spec.folder}.`);
  return load();
}
