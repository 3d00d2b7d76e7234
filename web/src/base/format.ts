// Times, durations, sizes and counts as people read them, in the browser's
// language and zone. Functions take the contract's JSON and give '' for what is not there.

import { serverNow } from './clock';

const dateTime = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' });
const shortThisYear = new Intl.DateTimeFormat(undefined, {
  month: 'short',
  day: 'numeric',
  hour: '2-digit',
  minute: '2-digit',
});
const withSeconds = new Intl.DateTimeFormat(undefined, {
  month: 'short',
  day: 'numeric',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
});
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const full = new Intl.DateTimeFormat(undefined, {
  weekday: 'short',
  year: 'numeric',
  month: 'short',
  day: 'numeric',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  timeZoneName: 'long',
});
const ago = new Intl.RelativeTimeFormat(undefined, { numeric: 'auto' });
const number = new Intl.NumberFormat();

/** A Timestamp in JSON as milliseconds; NaN for what is not there. */
export function millis(time: string | undefined): number {
  return time ? Date.parse(time) : Number.NaN;
}

/** Local date and time to the minute; the year is left out while it goes without saying. */
export function formatTime(time: string | undefined, now = serverNow()): string {
  const ms = millis(time);
  if (Number.isNaN(ms)) return '';
  const date = new Date(ms);
  return date.getFullYear() === new Date(now).getFullYear() ? shortThisYear.format(date) : dateTime.format(date);
}

/** Local date and time to the second, for what happened in quick succession. */
export function formatTimeSeconds(time: string | undefined): string {
  const ms = millis(time);
  return Number.isNaN(ms) ? '' : withSeconds.format(new Date(ms));
}

/** The hour and minute alone. */
export function formatClock(ms: number): string {
  return clock.format(new Date(ms));
}

/** The time in full with its zone, for where formatTime's text is explained. */
export function formatTimeFull(time: string | undefined): string {
  const ms = millis(time);
  return Number.isNaN(ms) ? '' : full.format(new Date(ms));
}

const steps: [limit: number, unit: Intl.RelativeTimeFormatUnit, ms: number][] = [
  [90e3, 'second', 1e3],
  [90 * 60e3, 'minute', 60e3],
  [36 * 3600e3, 'hour', 3600e3],
  [60 * 86400e3, 'day', 86400e3],
  [700 * 86400e3, 'month', 30.44 * 86400e3],
  [Number.POSITIVE_INFINITY, 'year', 365.25 * 86400e3],
];

/** The time as its distance from now: `5 minutes ago`. */
export function formatRelative(time: string | undefined, now = serverNow()): string {
  const ms = millis(time);
  if (Number.isNaN(ms)) return '';
  const distance = ms - now;
  if (Math.abs(distance) < 5000) return 'just now';
  const [, unit, size] = steps.find(([limit]) => Math.abs(distance) < limit) ?? steps[5] ?? [0, 'year', 1];
  return ago.format(Math.round(distance / size), unit);
}

/** Milliseconds as `8 s`, `3 m 05 s`, `2 h 04 m`, `5 d 03 h`. */
export function formatMillis(ms: number): string {
  if (Number.isNaN(ms)) return '';
  const s = Math.max(0, Math.floor(ms / 1000));
  const two = (n: number) => String(n).padStart(2, '0');
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} m ${two(s % 60)} s`;
  if (s < 86400) return `${Math.floor(s / 3600)} h ${two(Math.floor((s % 3600) / 60))} m`;
  return `${Math.floor(s / 86400)} d ${two(Math.floor((s % 86400) / 3600))} h`;
}

/** A Duration in JSON (`12.5s`) as milliseconds; NaN for what is not there. */
export function durationMillis(duration: string | undefined): number {
  return duration ? Number.parseFloat(duration) * 1000 : Number.NaN;
}

/** The time between two Timestamps; an end that is not there is now. */
export function formatElapsed(from: string | undefined, to: string | undefined, now = serverNow()): string {
  const start = millis(from);
  return Number.isNaN(start) ? '' : formatMillis((to ? millis(to) : now) - start);
}

/** A size in units of 1024, as `512 B`, `1.4 GiB`. Takes the contract's int64, which is text in JSON. */
export function formatBytes(bytes: string | number | undefined): string {
  let n = Number(bytes ?? Number.NaN);
  if (Number.isNaN(n)) return '';
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
  let unit = 0;
  while (n >= 1024 && unit < units.length - 1) {
    n /= 1024;
    unit++;
  }
  return `${unit === 0 || n >= 100 ? Math.round(n) : n.toFixed(1)} ${units[unit]}`;
}

/** A count with the language's separators. */
export function formatCount(n: string | number | undefined): string {
  return number.format(Number(n ?? 0));
}
