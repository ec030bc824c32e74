/** Figures as text: digits in threes, sizes, times. */

const THIN = '\u2009';

/** A whole number, its digits in threes. */
export function count(n: number): string {
  return String(Math.round(n)).replace(/\B(?=(\d{3})+$)/g, THIN);
}

/** `1 record`, `2 records`. */
export function counted(n: number, what: string): string {
  return `${count(n)} ${what}${n === 1 ? '' : 's'}`;
}

function digits(n: number): string {
  return n >= 100 ? count(n) : n.toPrecision(3);
}

/** Bytes in the unit that suits. */
export function bytes(n: number): string {
  if (n < 1024) return `${count(n)} B`;
  const units = ['KiB', 'MiB', 'GiB', 'TiB'];
  let value = n;
  let unit = '';
  for (unit of units) {
    value /= 1024;
    if (value < 1000) break;
  }
  return `${digits(value)} ${unit}`;
}

/** A length of time given in milliseconds. */
export function length(ms: number): string {
  if (ms >= 60_000) return `${digits(ms / 60_000)} min`;
  if (ms >= 1000) return `${digits(ms / 1000)} s`;
  if (ms >= 1) return `${digits(ms)} ms`;
  return `${Math.max(1, Math.round(ms * 1000))} \u00b5s`;
}

/** A share of 1. */
export function percent(share: number): string {
  return Number.isFinite(share)
    ? `${(share * 100).toFixed(share < 0.1 && share > 0 ? 1 : 0)}%`
    : '0%';
}

/** The time of a seq, to the microsecond, in the reader's zone. */
export function clock(seq: number): string {
  const date = new Date(Math.floor(seq / 1000));
  const two = (n: number) => String(n).padStart(2, '0');
  const micros = String(seq % 1_000_000).padStart(6, '0');
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${micros}`;
}

/** The day and time of a seq. */
export function moment(seq: number): string {
  const date = new Date(Math.floor(seq / 1000));
  const two = (n: number) => String(n).padStart(2, '0');
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${clock(seq)}`;
}

/** RFC 3339 with six digits of a second, as the command line prints it. */
export function rfc3339(seq: number): string {
  const base = new Date(Math.floor(seq / 1000)).toISOString().slice(0, 19);
  return `${base}.${String(seq % 1_000_000).padStart(6, '0')}Z`;
}

/** How long ago a seq was. */
export function ago(seq: number, now = Date.now() * 1000): string {
  const seconds = Math.max(0, (now - seq) / 1e6);
  if (seconds < 1.5) return 'just now';
  if (seconds < 90) return `${Math.round(seconds)} s ago`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min ago`;
  if (seconds < 129_600) return `${Math.round(seconds / 3600)} h ago`;
  return `${Math.round(seconds / 86_400)} days ago`;
}

/** A value of the past cut to a length. */
export function cut(text: string, max = 80): string {
  return text.length > max ? `${text.slice(0, max - 1)}\u2026` : text;
}
