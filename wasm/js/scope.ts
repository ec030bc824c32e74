/** What the verbs of a store share: where its keys stand, its codecs and its moment. */

// Programs whose `lib` has no `AsyncDisposable` yet get it with the types of the package.
/// <reference lib="esnext.disposable" preserve="true" />

import type { CodecOptions, KeyCodec, ValueCodec } from './codec.js';
import { checkFunction, checkOptions, checkWhole } from './check.js';
import { checkBytes, encodeText, json, utf8 } from './codec.js';
import { refuse } from './error.js';
import type { KeyRange, Moment } from './wire.js';

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
  /** The last commit that is seen. */
  readonly seq: number;
  /** @internal */
  readonly scope: Scope<any, any>;
}

/** A store, or a part of one. */
export interface Part<K, V> {
  /** @internal */
  readonly scope: Scope<K, V>;
}

/** What a read looks at. */
export interface ReadOptions {
  /**
   * The moment to read at: a snapshot, a seq as writes return it, or a date, which stands for
   * the end of its millisecond. The newest unless given.
   */
  at?: HeldMoment | number | Date | undefined;
}

/** How keys and values stand in a store. */
export interface Coded<K, V> {
  /** What all keys begin with and none of the callers sees. */
  readonly prefix: Uint8Array;
  readonly keys: KeyCodec<K>;
  readonly values: ValueCodec<V>;
}

/** A store or part of one, as the verbs see it. */
export interface Scope<K, V> extends Coded<K, V> {
  /** What is the same for all parts of an open store, and for no others. */
  readonly store: object;
  /** What reads look at unless told otherwise. */
  readonly moment: Moment;
}

const EMPTY = new Uint8Array(0);
const ZERO = new Uint8Array(1);

/**
 * The part of a scope whose keys begin with `prefix`. Its values are those of the whole unless told
 * otherwise.
 */
export function partOf<K, V>(
  whole: Scope<unknown, unknown>,
  prefix: string | Uint8Array,
  codecs: CodecOptions<K, V>,
): Scope<K, V> {
  const raw = typeof prefix === 'string' ? encodeText(prefix) : checkBytes(prefix);
  if (raw.length === 0) refuse('a prefix is expected');
  const { values } = checkOptions(codecs, 'keys values');
  checkCodecs(codecs);
  const part = { ...codecs, values: values ?? (whole.values as never) };
  return { ...scopeOf<K, V>(part, whole.store), prefix: join(whole.prefix, raw) };
}

/** All of a store, with these codecs for its keys and values. */
export function scopeOf<K, V>(
  { keys = utf8 as never, values = json }: CodecOptions<K, V>,
  store: object,
): Scope<K, V> {
  return { prefix: EMPTY, keys, values, moment: {}, store };
}

/** The scope of another part of the same store. */
export function scopeIn<K, V>(scope: Scope<any, any>, part: Part<K, V>): Scope<K, V> {
  if (part?.scope?.store !== scope.store) refuse('`in` takes a part of this store');
  return part.scope;
}

/** The codecs among the options of an open, and the other ones. */
export function splitOptions<K, V, Others extends object>(
  options: CodecOptions<K, V> & Others,
): [codecs: CodecOptions<K, V>, others: Omit<Others, 'keys' | 'values'>] {
  if (typeof options !== 'object' || !options) refuse('options must be an object');
  const { keys, values, ...others } = options;
  return [checkCodecs({ keys, values }), others];
}

function checkCodecs<K, V>(codecs: CodecOptions<K, V>): CodecOptions<K, V> {
  for (const name of ['keys', 'values'] as const) {
    const codec = codecs[name];
    if (codec === undefined) continue;
    for (const turn of ['encode', 'decode'] as const) {
      checkFunction(codec?.[turn], `${turn} of ${name}, a codec like utf8,`);
    }
  }
  return codecs;
}

/**
 * Two arrays, one after the other. The second may come from a codec of the caller's: what is no
 * bytes would be stored as others.
 */
export function join(first: Uint8Array, second: Uint8Array): Uint8Array {
  checkBytes(second);
  if (first.length === 0) return second;
  const joined = new Uint8Array(first.length + second.length);
  joined.set(first);
  joined.set(second, first.length);
  return joined;
}

/** The first key after `key`. */
export function after(key: Uint8Array): Uint8Array {
  return join(key, ZERO);
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

/** Whether a range has a key. */
export function within(range: KeyRange, key: Uint8Array): boolean {
  const { from, to, prefix } = range;
  return !(from && compare(key, from) < 0) && !(to && compare(key, to) >= 0)
    && !(prefix && compare(key.subarray(0, prefix.length), prefix) !== 0);
}

/** The bytes that stand in the store for a key. */
export function keyBytes<K>(scope: Coded<K, unknown>, key: K): Uint8Array {
  return join(scope.prefix, scope.keys.encode(key));
}

/** The key that these bytes of the store stand for. */
export function keyOf<K>(scope: Scope<K, unknown>, raw: Uint8Array): K {
  return scope.keys.decode(raw.subarray(scope.prefix.length));
}

/** Of two bounds the one that leaves less: the later one of first keys, whose order is 1. */
export function tighter(
  a: Uint8Array | undefined,
  b: Uint8Array | undefined,
  order: number,
): Uint8Array | undefined {
  return a && b && compare(a, b) * order < 0 ? b : a ?? b;
}

/** The bounds in bytes. `also`: options that the caller takes besides. */
export function rangeBytes<K>(scope: Scope<K, unknown>, range: Range<K>, also = ''): KeyRange {
  checkOptions(range, `gt gte lt lte prefix${also}`);
  const { gt, gte, lt, lte, prefix } = range;
  const at = (key: K | undefined) => (key === undefined ? undefined : keyBytes(scope, key));
  const past = (key: K | undefined) =>
    (key === undefined ? undefined : after(keyBytes(scope, key)));
  const { keys } = scope;
  const begin = prefix === undefined ? EMPTY : (keys.prefix ?? keys.encode).call(keys, prefix);
  const whole = join(scope.prefix, begin);
  const end = prefix === undefined ? undefined : keys.prefixEnd?.(prefix);
  return {
    from: tighter(at(gte), past(gt), 1),
    to: tighter(tighter(at(lt), past(lte), -1), end && join(scope.prefix, end), -1),
    prefix: whole.length > 0 ? whole : undefined,
  };
}

/** The microseconds of a date that a caller gave. */
export function microsOf(date: Date): number {
  const ms = date instanceof Date ? date.getTime() : NaN;
  if (!(ms >= 0 && ms < 2 ** 43)) refuse('a date is from 1970 to 2248');
  return ms * 1000;
}

/** The seq that a caller gave as such or as a date. */
export function seqOf(moment: number | Date): number {
  // The last seq of a date's millisecond.
  return moment instanceof Date ? microsOf(moment) + 999 : checkWhole(moment, 'a moment');
}

/** Whether a read looks at what is newest. */
export function isNewest({ at, viewId }: Moment): boolean {
  return at === undefined && viewId === undefined;
}

/** What a read at this moment looks at. */
export function momentAt(scope: Scope<any, any>, at: ReadOptions['at']): Moment {
  if (at === undefined) return scope.moment;
  if (typeof at !== 'object' || at instanceof Date) return { at: seqOf(at) };
  if (at?.scope?.store !== scope.store) refuse('`at` is a snapshot of this store, a seq or a date');
  return at.scope.moment;
}

/** What the read of a key with these options looks at. */
export function momentOf(scope: Scope<any, any>, options: ReadOptions | undefined): Moment {
  return options === undefined ? scope.moment : momentAt(scope, checkOptions(options, 'at').at);
}
