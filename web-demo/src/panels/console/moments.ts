/** Moments and lengths of time as people write them, in microseconds. */

const UNITS: [RegExp, number][] = [
  [/^(ms|milliseconds?|msecs?)$/, 1000],
  [/^(s|secs?|seconds?)$/, 1_000_000],
  [/^(m|mins?|minutes?)$/, 60_000_000],
  [/^(h|hrs?|hours?)$/, 3_600_000_000],
  [/^(d|days?)$/, 86_400_000_000],
  [/^(w|wks?|weeks?)$/, 604_800_000_000],
];

/** A length such as `90s`, `10m`, `1h 30m`. */
export function parseLength(text: string): number {
  const parts = [...text.trim().matchAll(/(\d+(?:\.\d+)?)\s*([a-z]+)\s*,?\s*/gi)];
  const whole = parts.map(([all]) => all).join('');
  let sum = 0;
  for (const [, number, unit] of parts) {
    const us = UNITS.find(([name]) => name.test((unit as string).toLowerCase()))?.[1];
    if (us === undefined) throw new Error(`${unit} is no unit of time: write 90s, 10m, 2h, 7d`);
    sum += Number(number) * us;
  }
  if (parts.length === 0 || whole.trim() !== text.trim()) {
    throw new Error('not a length of time: write 90s, 10m, 2h, 7d, or 1h 30m');
  }
  return Math.round(sum);
}

/** A moment: RFC 3339, a length followed by `ago`, `now`, or a seq. */
export function parseMoment(text: string): number {
  const trimmed = text.trim();
  if (/^\d+$/.test(trimmed)) return Number(trimmed);
  if (trimmed === 'now') return Date.now() * 1000;
  if (trimmed.endsWith('ago')) return Date.now() * 1000 - parseLength(trimmed.slice(0, -3));
  const match = /^(\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d)(\.\d+)?([Zz]|[+-]\d\d:\d\d)$/.exec(trimmed);
  const ms = match ? Date.parse(`${match[1]}${match[3]}`) : NaN;
  if (!(ms >= 0)) {
    throw new Error("not a moment: write 2026-01-31T10:00:00Z (RFC 3339), '10m ago', or a seq");
  }
  return ms * 1000 + Math.floor(Number(match?.[2] ?? 0) * 1e6 + 1e-6);
}
