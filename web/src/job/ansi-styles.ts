// The sixteen colours of terminals, readable on the log's background in light and dark.
import { css, unsafeCSS } from 'lit';

const colours: [light: string, dark: string][] = [
  ['#1b2430', '#8b98a9'],
  ['#b3261e', '#ff8a80'],
  ['#1d6b34', '#7fd99a'],
  ['#7a5200', '#ffcf70'],
  ['#1a56c4', '#8ab4ff'],
  ['#8a2a93', '#e6a5ee'],
  ['#0b6672', '#6fd3e0'],
  ['#5a6675', '#d5dbe3'],
  ['#566272', '#9aa7b7'],
  ['#c62828', '#ffa9a1'],
  ['#1f7a3b', '#9beab2'],
  ['#8a5d00', '#ffe09a'],
  ['#2464d6', '#adcbff'],
  ['#9c35a6', '#f0c2f5'],
  ['#0d7482', '#97e6f0'],
  ['#3c4754', '#ffffff'],
];

const rules = colours
  .map(
    ([light, dark], i) =>
      `.fg${i} { color: light-dark(${light}, ${dark}); }` +
      `.bg${i} { background: light-dark(color-mix(in oklab, ${light} 18%, transparent), color-mix(in oklab, ${dark} 28%, transparent)); }`,
  )
  .join('\n');

export const ansiStyles = [
  css`
    :host { --log-bg: light-dark(#fbfcfd, #10141a); --log-fg: light-dark(#1b2430, #dfe5ec); --log-dim: light-dark(#566272, #a3afbe); }
    .bold { font-weight: 700; }
    .dim { color: var(--log-dim); }
    .italic { font-style: italic; }
    .underline { text-decoration: underline; }
    /* A colour of the program's own choice, as light or dark as it takes to be read here. */
    .own { color: light-dark(oklch(from var(--own) min(l, 0.48) c h), oklch(from var(--own) max(l, 0.78) c h)); }
  `,
  unsafeCSS(rules),
];
