// Says something to screen readers without moving the focus.
let region: HTMLElement | undefined;

/** The last words win when several come at once. */
export function announce(words: string): void {
  if (!region) {
    region = document.createElement('div');
    region.setAttribute('role', 'status');
    region.setAttribute('aria-live', 'polite');
    region.className = 'announcer';
    document.body.append(region);
  }
  region.textContent = '';
  requestAnimationFrame(() => {
    if (region) region.textContent = words;
  });
}
