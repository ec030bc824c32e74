/** What the store answers, as callers see it. */

import type { MakeOfRecord } from './bytes.js';
import { decodeAt } from './codec.js';
import type { Scope } from './scope.js';
import { keyOf } from './scope.js';
import type { PackedDiff, PackedValue, PackedVersion } from './wire.js';

/** A value with what the store knows of it. */
export interface Found<V> {
  /** The value. */
  value: V;
  /** The commit that has set it: microseconds since 1970, and order of all commits. */
  seq: number;
  /** When it expires, if it does. */
  expires: Date | undefined;
}

/** A value that a key had. */
export interface Version<V> {
  /** The commit that has set or deleted it. */
  seq: number;
  /** The time of that commit. */
  time: Date;
  /** `delete`: the key had no value from here on. */
  type: 'set' | 'delete';
  /** Undefined for a delete. */
  value: V | undefined;
  /** When it expired or will, if so. */
  expires: Date | undefined;
}

/** A key that differs between two moments. */
export interface Difference<K, V> {
  /** The key. */
  key: K;
  /** Its value at the first moment, undefined if it had none. */
  before: { value: V; seq: number } | undefined;
  /** The same at the second moment. */
  after: { value: V; seq: number } | undefined;
}

/** The date of a seq, whose microseconds it has not. */
export function dateOfSeq(seq: number): Date {
  return new Date(seq / 1000);
}

/** When a value expires, which is at 0 for never. */
export function expiryOf(expires: number): Date | undefined {
  return expires === 0 ? undefined : dateOfSeq(expires);
}

/** Makes pairs of records. */
export function entriesOf<K, V>({ prefix, keys, values }: Scope<K, V>): MakeOfRecord<[K, V]> {
  return (bytes, key, keyEnd, value, valueEnd) => [
    decodeAt(keys, bytes, key + prefix.length, keyEnd),
    decodeAt(values, bytes, value, valueEnd),
  ];
}

/** Makes their keys of records. */
export function keysOf<K>({ prefix, keys }: Scope<K, unknown>): MakeOfRecord<K> {
  return (bytes, key, keyEnd) => decodeAt(keys, bytes, key + prefix.length, keyEnd);
}

/** Makes their values of records. */
export function valuesOf<V>({ values }: Scope<any, V>): MakeOfRecord<V> {
  return (bytes, _key, _keyEnd, value, valueEnd) => decodeAt(values, bytes, value, valueEnd);
}

/** A value with what is known of it. */
export function foundOf<V>(scope: Scope<any, V>, { value, seq, expires }: PackedValue): Found<V> {
  return { value: scope.values.decode(value), seq, expires: expiryOf(expires) };
}

/** A version of a key. */
export function versionOf<V>(
  scope: Scope<any, V>,
  { seq, value, expires }: PackedVersion,
): Version<V> {
  return {
    seq,
    time: dateOfSeq(seq),
    type: value ? 'set' : 'delete',
    value: value && scope.values.decode(value),
    expires: expiryOf(expires),
  };
}

/** How a key differs. */
export function differenceOf<K, V>(
  scope: Scope<K, V>,
  { key, before, after }: PackedDiff,
): Difference<K, V> {
  const side = (found: PackedDiff['before']) =>
    found && { value: scope.values.decode(found.value), seq: found.seq };
  return { key: keyOf(scope, key), before: side(before), after: side(after) };
}
