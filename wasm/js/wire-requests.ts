/** What is asked for over the wire: see `wire.ts`. */

import type { Writer } from './bytes.js';
import { encodeText, textLength } from './codec.js';

/** Codes of operations. */
export const GET = 1;
export const GET_MANY = 2;
export const HAS = 3;
export const WRITE = 4;
export const DELETE_RANGE = 5;
export const SCAN = 6;
export const VIEW_OPEN = 7;
export const VIEW_CLOSE = 8;
export const COUNT = 9;
export const HISTORY = 10;
export const DIFF = 11;
export const CHANGES = 12;
export const STATS = 13;
export const SEGMENTS = 14;
export const COMPACT_STEP = 15;
export const PLAN = 16;
export const SYNC = 17;
export const RETENTION = 18;
export const INFO = 19;
export const RECORDS = 20;
export const BYTES = 21;
export const SET_MANY = 22;

/** How long a write is safe. */
export type Durability = 'buffered' | 'flushed' | 'synced';

/** Names of levels by number; 0 stands for the store's own. */
export const LEVELS: readonly (Durability | undefined)[] =
  [undefined, 'buffered', 'flushed', 'synced'];

/** What a read looks at: the newest, a past moment, or an open view of the client. */
export interface Moment {
  /** A seq: microseconds since 1970. */
  at?: number | undefined;
  /** Number of a view that was opened. */
  viewId?: number | undefined;
}

/** A range of keys, all bounds of it together. */
export interface KeyRange {
  /** First key, inclusive. */
  from?: Uint8Array | undefined;
  /** Last key, exclusive. */
  to?: Uint8Array | undefined;
  /** Only keys that begin so. */
  prefix?: Uint8Array | undefined;
}

/** One operation of a batch. */
export interface WriteOperation {
  key: Uint8Array;
  /** Absent: the key is deleted. */
  value?: Uint8Array | undefined;
  /** When it expires, in microseconds since 1970. */
  expires?: number | undefined;
  /** Only if the key is absent (`null`), or its record has this seq. */
  ifSeq?: number | null | undefined;
  /** Only the condition counts: nothing is written for this key. */
  check?: boolean | undefined;
}

/** A condition of a batch: no key of a range was written after a moment. */
export interface RangeCheck extends KeyRange {
  since: number;
}

/** What to scan. */
export interface ScanRequest extends KeyRange, Moment {
  reverse?: boolean | undefined;
  /** Values stay empty. */
  keysOnly?: boolean | undefined;
  /**
   * Go on reading at the same moment when the answer says that there is more: the view of this
   * number is opened by the first scan and closed by the one that finishes the range.
   */
  keep?: boolean | undefined;
  /** At most so many records; 0 for all. */
  limit: number;
  /** Stop after so many bytes of keys and values; 0 for all. */
  bytes: number;
}

/** A retention rule as it is packed: latest, age (microseconds), versions, forever. */
export interface PackedRetention {
  kind: 0 | 1 | 2 | 3;
  amount: number;
}

function moment(w: Writer, m: Moment): void {
  if (m.at !== undefined) w.n(m.at);
  if (m.viewId !== undefined) w.n(m.viewId);
}

function momentFlags(m: Moment, at: number): number {
  return (m.at === undefined ? 0 : at) | (m.viewId === undefined ? 0 : at * 2);
}

function range(w: Writer, r: KeyRange): void {
  w.u8((r.from ? 1 : 0) | (r.to ? 2 : 0) | (r.prefix ? 4 : 0));
  if (r.from) w.b(r.from);
  if (r.to) w.b(r.to);
  if (r.prefix) w.b(r.prefix);
}

function level(w: Writer, durability: Durability | undefined): void {
  w.u8(LEVELS.indexOf(durability));
}

export function encodeGet(w: Writer, key: Uint8Array, m: Moment = {}): void {
  w.u8(GET).u8(momentFlags(m, 1)).b(key);
  moment(w, m);
}

export function encodeHas(w: Writer, key: Uint8Array, m: Moment = {}): void {
  w.u8(HAS).u8(momentFlags(m, 1)).b(key);
  moment(w, m);
}

export function encodeGetMany(w: Writer, keys: readonly Uint8Array[], m: Moment = {}): void {
  w.u8(GET_MANY).u8(momentFlags(m, 1)).n(keys.length);
  for (const key of keys) w.b(key);
  moment(w, m);
}

export function encodeWrite(
  w: Writer,
  operations: readonly WriteOperation[],
  durability?: Durability,
  checks: readonly RangeCheck[] = [],
): void {
  w.u8(WRITE);
  level(w, durability);
  w.n(operations.length + checks.length);
  for (const check of checks) {
    w.u8(32);
    range(w, check);
    w.n(check.since);
  }
  for (const { key, value, expires, ifSeq, check } of operations) {
    const condition = ifSeq === undefined ? 0 : ifSeq === null ? 4 : 8;
    const given = (value ? 0 : 1) | (expires === undefined ? 0 : 2);
    w.u8(given | condition | (check ? 16 : 0)).b(key);
    if (value) w.b(value);
    if (expires !== undefined) w.n(expires);
    if (condition > 4) w.n(ifSeq as number);
  }
}

/** Sets each key to the value behind it: all lengths, then all text, encoded by one call. */
export function encodeSetMany(
  w: Writer, texts: readonly string[], durability?: Durability,
): void {
  const all = texts.join('');
  const start = w.length;
  const pack = (lengthOf: (text: string) => number): boolean => {
    w.back(start);
    w.u8(SET_MANY);
    level(w, durability);
    w.n(texts.length / 2);
    let bytes = 0;
    for (const text of texts) {
      const length = lengthOf(text);
      w.n(length);
      bytes += length;
    }
    return w.text(all, bytes);
  };
  // Plain text has a byte for each unit of a string; any other does not fit then.
  if (!pack((text) => text.length)) pack(textLength);
}

export function encodeDeleteRange(w: Writer, r: KeyRange, durability?: Durability): void {
  w.u8(DELETE_RANGE);
  level(w, durability);
  range(w, r);
}

export function encodeScan(w: Writer, scan: ScanRequest): void {
  const flags = (scan.reverse ? 1 : 0) | (scan.keysOnly ? 2 : 0) | (scan.keep ? 16 : 0);
  w.u8(SCAN).u8(flags | momentFlags(scan, 4));
  range(w, scan);
  w.n(scan.limit).n(scan.bytes);
  moment(w, scan);
}

export function encodeViewOpen(w: Writer, view: number, at?: number): void {
  w.u8(VIEW_OPEN).n(view).u8(at === undefined ? 0 : 1);
  if (at !== undefined) w.n(at);
}

export function encodeViewClose(w: Writer, view: number): void {
  w.u8(VIEW_CLOSE).n(view);
}

export function encodeCount(w: Writer, r: KeyRange, m: Moment = {}): void {
  w.u8(COUNT).u8(momentFlags(m, 4));
  range(w, r);
  moment(w, m);
}

/** `limit` 0: every version that is held. */
export function encodeHistory(w: Writer, key: Uint8Array, limit = 0): void {
  w.u8(HISTORY).b(key).n(limit);
}

/** `limit` 0: every key that differs. */
export function encodeDiff(w: Writer, r: KeyRange, from: number, to: number, limit = 0): void {
  w.u8(DIFF);
  range(w, r);
  w.n(from).n(to).n(limit);
}

/** Limits are passed where a batch must not be cut; 0 for none. */
export function encodeChanges(
  w: Writer,
  since: number,
  limit: number,
  bytes: number,
  r: KeyRange = {},
): void {
  w.u8(CHANGES).n(since).n(limit).n(bytes);
  range(w, r);
}

/** `limit` 0: all parts; a page may go beyond its limit, to end where a group ends. */
export function encodeRecords(w: Writer, segment: number, from: number, limit: number): void {
  w.u8(RECORDS).n(segment).n(from).n(limit);
}

/** At most 64 KiB of a file: its name, or the number of a segment. */
export function encodeBytes(w: Writer, file: string, offset: number, length: number): void {
  w.u8(BYTES).b(encodeText(file)).n(offset).n(length);
}

/** STATS, SEGMENTS, PLAN, SYNC and INFO have no fields. */
export function encodePlain(w: Writer, code: number): void {
  w.u8(code);
}

export function encodeCompactStep(w: Writer, budgetBytes: number): void {
  w.u8(COMPACT_STEP).n(budgetBytes);
}

/** Asks for the retention, or sets it. */
export function encodeRetention(w: Writer, rule?: PackedRetention): void {
  w.u8(RETENTION).u8(rule ? 1 : 0);
  if (rule) w.u8(rule.kind).n(rule.amount);
}
