// Marks the tab: how many jobs are under way before its title, and a dot on its icon.
const mark = /^\(\d+\) /;

let active = 0;
let marked = false;
let original: string | undefined;
let observer: MutationObserver | undefined;

/** Shows how many jobs are under way; 0 takes the marks away. What the page writes as its title stays, also later. */
export function setBadge(jobs: number): void {
  active = jobs;
  writeTitle();
  if (jobs > 0 && !observer) {
    observer = new MutationObserver(writeTitle);
    observer.observe(document.head, { childList: true, subtree: true, characterData: true });
  }
  if (jobs > 0 !== marked) {
    marked = jobs > 0;
    drawIcon();
  }
}

function writeTitle(): void {
  const plain = document.title.replace(mark, '');
  const title = active > 0 ? `(${active}) ${plain}` : plain;
  if (title !== document.title) document.title = title;
}

// drawIcon draws over the site's own icon, where that may be read.
function drawIcon(): void {
  const link = document.querySelector<HTMLLinkElement>('link[rel~="icon"]');
  if (!link) return;
  original ??= link.href;
  if (!marked) {
    link.href = original;
    return;
  }
  const image = new Image();
  image.onload = () => paint(link, image);
  image.onerror = () => paint(link);
  image.src = original;
}

function paint(link: HTMLLinkElement, image?: HTMLImageElement): void {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = 32;
  const context = canvas.getContext('2d');
  if (!context || !marked) return; // over by now
  if (image) context.drawImage(image, 0, 0, 32, 32);
  context.fillStyle = '#d98b00';
  context.beginPath();
  context.arc(23, 23, 9, 0, 2 * Math.PI);
  context.fill();
  try {
    link.href = canvas.toDataURL('image/png');
  } catch {
    // The icon is of another site and may not be read.
  }
}
