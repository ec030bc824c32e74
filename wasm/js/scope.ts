/** What the verbs of a store share: where its keys stand, its codecs and its moment. */

import type { CodecOptions, KeyCodec, ValueCodec } from './codec.js';
import { bytes, encodeText, json, refuse, utf8 } from './codec.js';
import type { KeyRange, Moment, PackedRecord } from './wire.js';

/** Which keys: all bounds together. Keys order by their bytes. */
export interface Range<K> {
  /** Only keys after this one. */
  gt?: K | undefined;
  /** Only this key and those after it. */
  gte?: K | undefined;
  /** Only keys before this one. */
  lt?: K | undefined;
  /** Only this key and those before it. */
  lte?: K | undefined;
  /** Only keys that begin so. */
  prefix?: K | undefined;
}

/** A moment that is held open; see `Silt.snapshot`. */
export interface HeldMoment {
  /** @internal */
  readonly moment: Moment;
}

/** What a read looks at. */
export interface ReadOptions {
  /**
   * The moment to read at: a snapshot, a seq as writes return it, or a date, which stands for
   * the end of its millisecond. The newest unless given.
   */
  at?: HeldMoment | number | Date | undefined;
}

/** A store or part of one, as the verbs see it. */
export interface Scope<K, V> {
  /** What all keys begin with and none of the callers sees. */
  readonly prefix: Uint8Array;
  readonly keys: KeyCodec<K>;
  readonly values: ValueCodec<V>;
  /** What reads look at unless told otherwise. */
  readonly moment: Moment;
}

const EMPTY = new Uint8Array(0);

/**
 * The part of a scope whose keys begin with `prefix`. Its values are those of the whole unless told
 * otherwise.
 */
export function partOf<K, V>(
  whole: Scope<unknown, unknown>,
  prefix: string | Uint8Array,
  codecs: CodecOptions<K, V>,
): Scope<K, V> {
  const raw = typeof prefix === 'string' ? encodeText(prefix) : bytes.encode(prefix);
  if (raw.length === 0) refuse('a part needs a prefix');
  const values = codecs.values ?? (whole.values as never);
  return { ...scopeOf(codecs), values, prefix: join(whole.prefix, raw) };
}

/** All of a store, with these codecs for its keys and values. */
export function scopeOf<K, V>({ keys, values }: CodecOptions<K, V>): Scope<K, V> {
  return { prefix: EMPTY, keys: keys ?? (utf8 as never), values: values ?? json, moment: {} };
}

/** Two arrays, one after the other. */
export function join(first: Uint8Array, second: Uint8Array): Uint8Array {
  if (first.length === 0) return second;
  const joined = new Uint8Array(first.length + second.length);
  joined.set(first);
  joined.set(second, first.length);
  return joined;
}

/** The first key after `key`. */
export function after(key: Uint8Array): Uint8Array {
  const next = new Uint8Array(key.length + 1);
  next.set(key);
  return next;
}

/** Less than 0, 0 or more than 0, as `a` is before, at or after `b`. */
export function compare(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at += 1) {
    const order = (a[at] as number) - (b[at] as number);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

/** The bytes that stand in the store for a key. */
export function keyBytes<K>(scope: Scope<K, unknown>, key: K): Uint8Array {
  return join(scope.prefix, scope.keys.encode(key));
}

/** The key that these bytes of the store stand for. */
export function keyOf<K>(scope: Scope<K, unknown>, raw: Uint8Array): K {
  return scope.keys.decode(raw.subarray(scope.prefix.length));
}

/** The record as a pair of the caller's. */
export function entryOf<K, V>(scope: Scope<K, V>, record: PackedRecord): [K, V] {
  return [keyOf(scope, record.key), scope.values.decode(record.value)];
}

/** Refuses options that there are not: one that is misspelt would be passed over. */
export function checkOptions(options: object, known: string): void {
  if (typeof options !== 'object' || !options) refuse('options must be an object');
  for (const name in options) {
    if (!known.split(' ').includes(name)) refuse(`there is no option ${name}, but ${known}`);
  }
}

/** The bounds in bytes. */
export function rangeBytes<K>(scope: Scope<K, unknown>, range: Range<K> = {}): KeyRange {
  const { gt, gte, lt, lte, prefix } = range;
  const bounds: KeyRange = {};
  const from = (key: Uint8Array) => {
    if (!bounds.from || compare(bounds.from, key) < 0) bounds.from = key;
  };
  const to = (key: Uint8Array) => {
    if (!bounds.to || compare(bounds.to, key) > 0) bounds.to = key;
  };
  if (gte !== undefined) from(keyBytes(scope, gte));
  if (gt !== undefined) from(after(keyBytes(scope, gt)));
  if (lt !== undefined) to(keyBytes(scope, lt));
  if (lte !== undefined) to(after(keyBytes(scope, lte)));
  const { keys } = scope;
  const begin = prefix === undefined
    ? EMPTY
    : keys.prefix ? keys.prefix(prefix) : keys.encode(prefix);
  const whole = join(scope.prefix, begin);
  if (whole.length > 0) bounds.prefix = whole;
  return bounds;
}

/** The microseconds of a date that a caller gave. */
export function microsOf(date: Date): number {
  const ms = date instanceof Date ? date.getTime() : NaN;
  if (!(ms >= 0 && ms < 2 ** 43)) refuse('a date is from 1970 to 2248');
  return ms * 1000;
}

/** The date of a seq, whose microseconds it has not. */
export function dateOfSeq(seq: number): Date {
  return new Date(Math.floor(seq / 1000));
}

/** The seq that a caller gave as such or as a date. */
export function seqOf(moment: number | Date): number {
  // The last seq of a date's millisecond.
  return moment instanceof Date ? microsOf(moment) + 999 : moment;
}

/** What a read with these options looks at. */
export function momentOf(scope: Scope<any, any>, options: ReadOptions | undefined): Moment {
  const at = options?.at;
  if (at === undefined) return scope.moment;
  if (typeof at === 'number' || at instanceof Date) return { at: seqOf(at) };
  if (typeof at?.moment?.view !== 'number') refuse('`at` is a snapshot, a seq or a date');
  return at.moment;
}

/** A whole number that a caller gave, or the default. */
export function checkCount(count: number | undefined, otherwise: number, name: string): number {
  if (count === undefined || count === Infinity) return otherwise;
  if (!Number.isSafeInteger(count) || count < 0) refuse(`${name} must be a whole number`);
  return count;
}
