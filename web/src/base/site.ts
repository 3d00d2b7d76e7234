// How the gateway names itself: what the server says of it in the head of the page.

interface Site {
  name: string;
  /** The address of a picture, below the server's own; empty is none. */
  logo: string;
  /** As #rrggbb; empty is Stint's own. */
  colour: string;
  help: string;
  terms: string;
}

function readSite(): Partial<Site> {
  const said = document.querySelector<HTMLMetaElement>('meta[name="stint-site"]')?.content;
  return said ? (JSON.parse(said) as Partial<Site>) : {};
}

export const site: Readonly<Partial<Site>> = readSite();

/** The name of the gateway. */
export const siteName = site.name || 'Stint';

/** Sets the title of the window. */
export function setTitle(words: string): void {
  document.title = `${words} · ${siteName}`;
}

/** Gives the document the colour of the gateway. The server has seen to it that it can be read on white. */
export function applySite(): void {
  const { colour } = site;
  if (!colour) return;
  const set = (name: string, value: string) => document.documentElement.style.setProperty(`--stint-${name}`, value);
  set('accent', `light-dark(${colour}, color-mix(in oklab, ${colour} 38%, white))`);
  set('accent-2', `light-dark(color-mix(in oklab, ${colour} 12%, white), color-mix(in oklab, ${colour} 35%, #12161c))`);
  set('on-accent', 'light-dark(#ffffff, #0b0f14)');
}
