// Whether the server has an origin of its own for results with scripts: then it shows them there.

/** Whether reports may run their scripts, at an origin that has nothing of these pages. */
export function runsScripts(): boolean {
  return document.querySelector('meta[name="stint-content-origin"]') !== null;
}
