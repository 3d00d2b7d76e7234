// Where the server is. The pages are served below a path that the server writes
// into <base>, and everything they ask for is relative to it.

/** The address of the server, ending in a slash. */
export function serverURL(): string {
  return new URL('./', document.baseURI).href;
}

/** The path of an address of this site below the server's own, without a leading slash; undefined for any other address. */
export function pathWithin(url: URL): string | undefined {
  const base = new URL(serverURL());
  if (url.origin !== base.origin || !url.pathname.startsWith(base.pathname)) return undefined;
  return url.pathname.slice(base.pathname.length);
}
