// The part of a log that is held in memory: whole lines, next to each other, bounded in size. What
// is put in at one end falls out at the other.
import { joinBytes } from './log-source';

export interface LogLine {
  /** Where it begins in the log. */
  offset: number;
  text: string;
  /** Bytes that were dropped before it because the log was over its size cap. */
  dropped?: number;
}

// A line without an end is broken here, so that one line cannot fill the window.
const longestLine = 64 << 10;
const newline = 10;

export class LogWindow {
  lines: LogLine[] = [];
  /** The log's bytes [start, end) are here. */
  start = 0;
  end = 0;
  /** The number of the first line in the log, where it is known: from its start on, and not past what was dropped. */
  firstNumber: number | undefined = 1;
  /** Grows with every change. */
  version = 0;
  private rest = new Uint8Array(0);
  private readonly decoder = new TextDecoder();

  constructor(private readonly maxBytes: number) {}

  /** Forgets everything and begins at an offset. */
  clear(offset: number): void {
    this.lines = [];
    this.rest = new Uint8Array(0);
    this.start = offset;
    this.end = offset;
    this.firstNumber = offset === 0 ? 1 : undefined;
    this.version++;
  }

  /** Numbers the lines: the one that begins at an offset has this number. */
  setNumber(offset: number, number: number): void {
    const index = this.lines.findIndex((line) => line.offset === offset);
    if (index < 0 || this.lines.some((line) => line.dropped)) return;
    this.firstNumber = number - index;
    this.version++;
  }

  /** The last line, while its end has not come yet. */
  get unfinished(): LogLine | undefined {
    if (this.rest.length === 0) return undefined;
    return { offset: this.end - this.rest.length, text: this.decode(this.rest) };
  }

  /** Adds what follows. Answers how many lines fell out at the top. */
  append(offset: number, data: Uint8Array): number {
    if (data.length === 0) return 0;
    const gap = offset - this.end;
    this.version++;
    if (gap > 0) this.firstNumber = undefined;
    if (gap > 0 && this.rest.length > 0) this.push(this.rest);
    if (gap > 0) this.rest = new Uint8Array(0);
    const bytes = this.rest.length > 0 ? joinBytes([this.rest, data]) : data;
    const from = offset - this.rest.length;
    const before = this.lines.length;
    const used = this.split(bytes, from);
    const first = this.lines[before];
    if (gap > 0 && this.end > 0 && first) first.dropped = gap;
    this.rest = bytes.slice(used);
    this.end = offset + data.length;
    return this.trimTop();
  }

  /** Adds whole lines that come before. Answers how many lines there are more at the top. */
  prepend(offset: number, data: Uint8Array): number {
    // The first line is cut unless the log begins there.
    const cut = offset === 0 ? 0 : data.indexOf(newline) + 1;
    const skip = offset > 0 && cut === 0 ? 0 : cut;
    const held = this.lines;
    this.lines = [];
    const used = this.split(data.subarray(skip), offset + skip);
    if (skip + used < data.length) this.push(data.subarray(skip + used), offset + skip + used);
    const added = this.lines.length;
    this.lines = this.lines.concat(held);
    this.start = offset + skip;
    this.version++;
    if (this.firstNumber !== undefined) this.firstNumber -= added;
    else if (this.start === 0 && !this.lines.some((line) => line.dropped)) this.firstNumber = 1;
    this.trimBottom();
    return added;
  }

  private split(bytes: Uint8Array, from: number): number {
    let at = 0;
    for (;;) {
      let stop = bytes.indexOf(newline, at);
      if (stop < 0 && bytes.length - at < longestLine) return at;
      if (stop < 0 || stop - at > longestLine) stop = at + longestLine - 1;
      const text = bytes[stop] === newline ? bytes.subarray(at, stop) : bytes.subarray(at, stop + 1);
      this.lines.push({ offset: from + at, text: this.decode(text) });
      at = stop + 1;
    }
  }

  private push(bytes: Uint8Array, offset = this.end - bytes.length): void {
    this.lines.push({ offset, text: this.decode(bytes) });
  }

  private decode(bytes: Uint8Array): string {
    return this.decoder.decode(bytes);
  }

  private trimTop(): number {
    if (this.end - this.start <= this.maxBytes) return 0;
    const keepFrom = this.end - this.maxBytes * 0.75;
    const index = this.lines.findIndex((line) => line.offset >= keepFrom);
    if (index <= 0) return 0;
    this.lines.splice(0, index);
    if (this.firstNumber !== undefined) this.firstNumber += index;
    this.start = this.lines[0]?.offset ?? this.end;
    return index;
  }

  private trimBottom(): void {
    if (this.end - this.start <= this.maxBytes) return;
    const keepTo = this.start + this.maxBytes * 0.75;
    const index = this.lines.findIndex((line) => line.offset > keepTo);
    if (index <= 0) return;
    this.end = this.lines[index]?.offset ?? this.end;
    this.lines.length = index;
    this.rest = new Uint8Array(0);
  }
}
