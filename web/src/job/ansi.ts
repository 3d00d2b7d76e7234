// Turns a line of terminal output into pieces of text with colours. Whatever a
// terminal would obey and a page must not is dropped.

/** Text that looks the same throughout. */
export interface Piece {
  text: string;
  /** Class names, for example `bold fg1`. */
  style: string;
  /** A colour beyond the sixteen named ones, for example `rgb(255 0 0)`. */
  colour?: string;
}

interface Look {
  bold: boolean;
  dim: boolean;
  italic: boolean;
  underline: boolean;
  fg: number | string | undefined;
  bg: number | undefined;
}

const plain: Look = { bold: false, dim: false, italic: false, underline: false, fg: undefined, bg: undefined };

// CSI sequences; OSC up to its end; other two-byte escapes; control characters but tab.
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it is about.
const escapes = /\x1b\[([0-9;:?<>=]*)[ -/]*([@-~])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b.?|[\x00-\x08\x0b-\x1f\x7f]/g;

/** Takes a line apart. A line that was written over from its start, as progress bars do, shows the last version. */
export function parseAnsi(raw: string): Piece[] {
  const line = lastVersion(raw);
  const pieces: Piece[] = [];
  const look = { ...plain };
  let at = 0;
  for (const match of line.matchAll(escapes)) {
    push(pieces, line.slice(at, match.index), look);
    at = match.index + match[0].length;
    if (match[2] === 'm') applySgr(look, (match[1] ?? '').split(/[;:]/).map(Number));
  }
  push(pieces, line.slice(at), look);
  return pieces;
}

/** The text of a line alone. */
export function stripAnsi(raw: string): string {
  return lastVersion(raw).replace(escapes, '');
}

// CSI 1 G and CSI G put the cursor at the start of the line, as a carriage return does.
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what it is about.
const toStart = /\x1b\[1?G/g;

/** What a line that was written over from its start shows in the end. */
export function lastVersion(raw: string): string {
  const line = raw.includes('\x1b[') ? raw.replace(toStart, '\r') : raw;
  let end = line.length;
  while (end > 0 && line[end - 1] === '\r') end--;
  return line.slice(line.lastIndexOf('\r', end - 1) + 1, end);
}

/**
 * Takes the start of a line apart as it is shown, up to so many letters; more is how many are left out. It is cut after it
 * was interpreted: what is written over and what has no width does not count.
 */
export function startOf(raw: string, letters: number): { pieces: Piece[]; more: number } {
  const line = lastVersion(raw);
  // Lines may have megabytes. This much has so many letters wherever there is text at all.
  const looked = line.slice(0, 40 * letters);
  const pieces: Piece[] = [];
  let room = letters;
  let had = 0;
  for (const piece of parseAnsi(looked)) {
    had += piece.text.length;
    if (room > 0) pieces.push(piece.text.length > room ? { ...piece, text: piece.text.slice(0, room) } : piece);
    room -= piece.text.length;
  }
  return { pieces, more: Math.max(0, had - letters) + line.length - looked.length };
}

function push(pieces: Piece[], text: string, look: Look): void {
  if (text === '') return;
  const names = [];
  if (look.bold) names.push('bold');
  if (look.dim) names.push('dim');
  if (look.italic) names.push('italic');
  if (look.underline) names.push('underline');
  if (typeof look.fg === 'number') names.push(`fg${look.fg}`);
  if (look.bg !== undefined) names.push(`bg${look.bg}`);
  const piece: Piece = { text, style: names.join(' ') };
  if (typeof look.fg === 'string') piece.colour = look.fg;
  pieces.push(piece);
}

function applySgr(look: Look, codes: number[]): void {
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i] ?? 0;
    if (code === 0) Object.assign(look, plain);
    else if (code === 1) look.bold = true;
    else if (code === 2) look.dim = true;
    else if (code === 3) look.italic = true;
    else if (code === 4) look.underline = true;
    else if (code === 22) look.bold = look.dim = false;
    else if (code === 23) look.italic = false;
    else if (code === 24) look.underline = false;
    else if (code >= 30 && code <= 37) look.fg = code - 30;
    else if (code >= 90 && code <= 97) look.fg = code - 82;
    else if (code === 39) look.fg = undefined;
    else if (code >= 40 && code <= 47) look.bg = code - 40;
    else if (code >= 100 && code <= 107) look.bg = code - 100;
    else if (code === 49) look.bg = undefined;
    else if (code === 38 || code === 48) i = extended(look, codes, i);
  }
}

// extended reads 38;5;N and 38;2;R;G;B. Backgrounds of that kind are left out.
function extended(look: Look, codes: number[], i: number): number {
  const foreground = codes[i] === 38;
  if (codes[i + 1] === 5) {
    if (foreground) look.fg = palette(codes[i + 2] ?? 0);
    return i + 2;
  }
  if (codes[i + 1] === 2) {
    const [r = 0, g = 0, b = 0] = codes.slice(i + 2, i + 5);
    if (foreground) look.fg = rgb(r, g, b);
    return i + 4;
  }
  return i + 1;
}

const rgb = (...parts: number[]) => `rgb(${parts.map((p) => Math.min(255, Math.max(0, p | 0))).join(' ')})`;

// palette is xterm's table of 256 colours.
function palette(n: number): number | string {
  if (n < 16) return n;
  if (n >= 232) return rgb(8 + 10 * (n - 232), 8 + 10 * (n - 232), 8 + 10 * (n - 232));
  const level = (v: number) => (v === 0 ? 0 : 55 + 40 * v);
  return rgb(level(Math.floor((n - 16) / 36)), level(Math.floor((n - 16) / 6) % 6), level((n - 16) % 6));
}
