// Which page an address shows. Links are ordinary links; those that lead to a page
// of this server are followed without loading it anew.
import { pathWithin, serverURL } from './place';
import { type RouteSpec, routes } from './routes';

/** What an address says to its page. */
export interface Route {
  /** The entry of the table of routes that matched. */
  spec: RouteSpec;
  /** The path below the server's own, for example `jobs/42`. */
  path: string;
  /** The parts of the path that the pattern names, decoded. */
  params: Readonly<Record<string, string>>;
  query: URLSearchParams;
}

/** A page: a custom element that shows what its route says, and goes on when the route changes. */
export interface PageElement extends HTMLElement {
  route: Route;
}

/** What the module of a page exports: the name of its element, which it has defined. */
export interface PageModule {
  tag: string;
}

/** The route of an address, undefined where no page is. */
export function matchRoute(url: URL): Route | undefined {
  const path = pathWithin(url)?.replace(/\/+$/, '');
  if (path === undefined) return undefined;
  for (const spec of routes) {
    const params = matchPattern(spec.pattern, path);
    if (params) return { spec, path, params, query: url.searchParams };
  }
  return undefined;
}

// matchPattern matches `jobs/:id` by segments; `*rest` at the end takes all that is left.
function matchPattern(pattern: string, path: string): Record<string, string> | undefined {
  const wanted = pattern.split('/');
  const given = path.split('/');
  const params: Record<string, string> = {};
  for (const [i, want] of wanted.entries()) {
    if (want.startsWith('*')) {
      const rest = decode(given.slice(i));
      if (!rest) return undefined;
      params[want.slice(1)] = rest.join('/');
      return params;
    }
    const have = decode(given.slice(i, i + 1))?.[0];
    if (!have && want !== '') return undefined;
    if (want.startsWith(':')) params[want.slice(1)] = have ?? '';
    else if (want !== (have ?? '')) return undefined;
  }
  return given.length === wanted.length ? params : undefined;
}

function decode(segments: string[]): string[] | undefined {
  try {
    return segments.map(decodeURIComponent);
  } catch {
    return undefined; // not UTF-8
  }
}

/** Makes the address of a page: pathOf('jobs', id) escapes the id. */
export function pathOf(...segments: string[]): string {
  return segments.map(encodeURIComponent).join('/');
}

const changed = new EventTarget();

/** Goes to a page by its path below the server's own, with its query: `jobs?state=RUNNING`. */
export function navigate(to: string, options: { replace?: boolean; state?: unknown } = {}): void {
  const url = new URL(to, serverURL());
  if (options.replace) history.replaceState(options.state ?? null, '', url);
  else history.pushState(options.state ?? null, '', url);
  changed.dispatchEvent(new Event('change'));
}

/** Calls back at every change of the address, also by the back button. */
export function onNavigate(callback: () => void, signal: AbortSignal): void {
  changed.addEventListener('change', callback, { signal });
  window.addEventListener('popstate', callback, { signal });
}

/** Follows links to pages of this server without loading the document anew. */
export function followLinks(signal: AbortSignal): void {
  document.addEventListener(
    'click',
    (event) => {
      if (event.defaultPrevented || event.button !== 0) return;
      if (event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
      const link = event.composedPath().find((node) => node instanceof HTMLAnchorElement);
      if (!link?.href || link.hasAttribute('download') || (link.target && link.target !== '_self')) return;
      const url = new URL(link.href);
      if (!matchRoute(url)) return;
      event.preventDefault();
      if (url.href !== location.href) navigate(url.href);
    },
    { signal },
  );
}
