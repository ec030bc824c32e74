/** What is answered over the wire: see `wire.ts`. */

import { type MakeOfRecord, Reader, unhex } from './bytes.js';
import { SiltError, type SiltErrorCode } from './error.js';
import type { SegmentPage } from './figures.js';
import { type Durability, LEVELS, type PackedRetention } from './wire-requests.js';

/** A value with what is known of it, its bytes still packed. */
export interface PackedValue {
  value: Uint8Array;
  seq: number;
  /** Microseconds since 1970, 0 for never. */
  expires: number;
}

/** A record of a range, its bytes still packed. */
export interface PackedRecord {
  key: Uint8Array;
  value: Uint8Array;
}

/** The bytes of a record. */
export const packed: MakeOfRecord<PackedRecord> = (bytes, key, keyEnd, value, valueEnd) => (
  { key: bytes.subarray(key, keyEnd), value: bytes.subarray(value, valueEnd) });

/** No records. */
export const NONE = /* @__PURE__ */ new Reader(new Uint8Array(0));

/** A version of a key; `value` is undefined for a delete. */
export interface PackedVersion {
  seq: number;
  value: Uint8Array | undefined;
  expires: number;
}

/** What a write reached. */
export interface Written {
  seq: number;
  durability: Durability;
  /** False: every value was the newest already. */
  written: boolean;
}

/** Takes the head of an answer: false if it says absent. */
function found(r: Reader): boolean {
  const status = r.u8();
  if (status === 2) throw decodeError(r);
  return status === 0;
}

function decodeError(r: Reader): SiltError {
  const code = r.s() as SiltErrorCode;
  const message = r.s();
  const operation = r.n();
  const detail = r.n();
  if (code === 'SILT_CONDITION_FAILED') {
    return new SiltError(code, message, { operation, found: detail });
  }
  return new SiltError(code, message, code === 'SILT_HISTORY_GONE' ? { oldest: detail } : {});
}

function list<T>(r: Reader, item: () => T): T[] {
  const items = new Array<T>(r.n());
  for (let at = 0; at < items.length; at += 1) items[at] = item();
  return items;
}

export function decodeGet(r: Reader): PackedValue | undefined {
  return found(r) ? { value: r.b(), seq: r.n(), expires: r.n() } : undefined;
}

export function decodeGetMany(r: Reader): (Uint8Array | undefined)[] {
  found(r);
  return list(r, () => (r.u8() ? r.b() : undefined));
}

export function decodeHas(r: Reader): boolean {
  found(r);
  return r.u8() === 1;
}

export function decodeWrite(r: Reader): Written {
  const { count, ...written } = decodeDeleteRange(r);
  return written;
}

/** The count of a write is that of its operations, of a range that of the keys it deleted. */
export function decodeDeleteRange(r: Reader): Written & { count: number } {
  found(r);
  return {
    seq: r.n(),
    durability: LEVELS[r.u8()] as Durability,
    written: r.u8() === 1,
    count: r.n(),
  };
}

/** A part of a range. */
export interface Scanned {
  /** To be taken by `record`. */
  records: Reader;
  /** The moment it was seen at. */
  seq: number;
  /** Whether the range may go on. */
  more: boolean;
  count: number;
  /** The key of the last record; empty if there is none. */
  last: Uint8Array;
}

export function decodeScan(r: Reader): Scanned {
  found(r);
  const records = new Reader(r.b());
  return { records, seq: r.n(), more: r.u8() === 1, count: r.n(), last: r.b() };
}

/** A seq: answers VIEW_OPEN and SYNC; a number: answers COUNT. */
export function decodeNumber(r: Reader): number {
  found(r);
  return r.n();
}

/** Answers VIEW_CLOSE. */
export function decodeNothing(r: Reader): void {
  found(r);
}

export function decodeHistory(r: Reader): PackedVersion[] {
  found(r);
  return list(r, () => version(r, r.n()));
}

function version(r: Reader, seq: number): PackedVersion {
  return { seq, value: r.u8() ? r.b() : undefined, expires: r.n() };
}

/** How a key differs between two moments. */
export interface PackedDiff {
  key: Uint8Array;
  before: { value: Uint8Array; seq: number } | undefined;
  after: { value: Uint8Array; seq: number } | undefined;
}

export function decodeDiff(r: Reader): PackedDiff[] {
  found(r);
  return list(r, () => {
    const key = r.b();
    const sides = r.u8();
    const side = (bit: number) => (sides & bit ? { value: r.b(), seq: r.n() } : undefined);
    return { key, before: side(1), after: side(2) };
  });
}

/** Commits after the asked seq; `next` is what to ask with for those that follow. */
export interface PackedChanges {
  next: number;
  more: boolean;
  changes: (PackedVersion & { key: Uint8Array })[];
}

export function decodeChanges(r: Reader): PackedChanges {
  found(r);
  const next = r.n();
  const more = r.u8() === 1;
  const changes = list(r, () => {
    const seq = r.n();
    const key = r.b();
    return { key, ...version(r, seq) };
  });
  return { next, more, changes };
}

/** Answers STATS, SEGMENTS, PLAN and INFO. */
export function decodeJson(r: Reader): unknown {
  found(r);
  return JSON.parse(r.s());
}

export function decodeCompactStep(r: Reader): { more: boolean; done: number; total: number } {
  found(r);
  return { more: r.u8() === 1, done: r.n(), total: r.n() };
}

export function decodeRetention(r: Reader): PackedRetention {
  found(r);
  return { kind: r.u8() as PackedRetention['kind'], amount: r.n() };
}

export function decodeRecords(r: Reader): SegmentPage {
  const page = decodeJson(r) as { parts: any[]; next?: number };
  for (const part of page.parts) {
    // Keys travel as hexadecimal digits.
    for (const name of ['key', 'firstKey']) if (name in part) part[name] = unhex(part[name]);
    if (part.expires) part.expires = new Date(part.expires / 1000);
  }
  return page;
}

/** Answers BYTES. */
export function decodeBytes(r: Reader): Uint8Array {
  found(r);
  return r.b();
}
