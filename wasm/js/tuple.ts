/**
 * The tuple codec: keys made of several parts, whose bytes order as the parts do.
 *
 * Parts of different types order by type: null, false, true, numbers, big integers, dates,
 * strings, bytes, arrays; within a type by value, arrays part by part, a shorter one first.
 */

import { floatBytes, floatOf, type Reader } from './bytes.js';
import { type KeyCodec, decodeText, encodeText, foreign, unpacked } from './codec.js';
import { refuse } from './error.js';

/** A key of the {@link tuple} codec: a part by itself, or an array of parts. */
export type TupleKey =
  | null
  | boolean
  | number
  | bigint
  | Date
  | string
  | Uint8Array
  | readonly TupleKey[];

const NULL = 0x01;
const FALSE = 0x02;
const TRUE = 0x03;
const NUMBER = 0x10;
const BIG = 0x14;
const DATE = 0x18;
const STRING = 0x20;
const BYTES = 0x24;
const ARRAY = 0x28;
/** Ends strings, bytes and arrays; below every tag, so the shorter one comes first. */
const END = 0x00;
/** Follows an END that is a byte of the content; above every tag. */
const ESCAPE = 0xff;
/** Longest big integer, in bytes. */
const BIG_BYTES_MAX = 126;

function pushFloat(out: number[], value: number): void {
  if (Number.isNaN(value)) refuse('NaN cannot be a key');
  // Adding 0 makes one zero of two. Negative numbers order the other way round.
  const eight = floatBytes(value + 0);
  const negative = (eight[0] as number) >= 0x80;
  eight.forEach((byte, at) => {
    out.push(negative ? byte ^ 0xff : at === 0 ? byte | 0x80 : byte);
  });
}

function pushBig(out: number[], value: bigint): void {
  const negative = value < 0n;
  let digits = (negative ? -value : value).toString(16);
  if (digits.length % 2) digits = `0${digits}`;
  const length = value === 0n ? 0 : digits.length / 2;
  if (length > BIG_BYTES_MAX) refuse(`an integer in a key has ${BIG_BYTES_MAX} bytes at most`);
  out.push(negative ? 0x7f - length : 0x80 + length);
  for (let at = 0; at < length; at += 1) {
    const byte = Number.parseInt(digits.slice(at * 2, at * 2 + 2), 16);
    out.push(negative ? byte ^ 0xff : byte);
  }
}

function pushEscaped(out: number[], content: Uint8Array): void {
  for (const byte of content) {
    out.push(byte);
    if (byte === END) out.push(ESCAPE);
  }
}

/** Appends a part; the outermost string, bytes or array of a prefix stays open at its end. */
function push(out: number[], part: TupleKey, open = false): void {
  if (part === null) out.push(NULL);
  else if (typeof part === 'boolean') out.push(part ? TRUE : FALSE);
  else if (typeof part === 'bigint') pushBig((out.push(BIG), out), part);
  else if (typeof part === 'number') {
    pushFloat((out.push(NUMBER), out), part);
  } else if (part instanceof Date) {
    pushFloat((out.push(DATE), out), part.getTime());
  } else {
    if (typeof part === 'string') pushEscaped((out.push(STRING), out), encodeText(part));
    else if (part instanceof Uint8Array) pushEscaped((out.push(BYTES), out), part);
    else if (Array.isArray(part)) {
      out.push(ARRAY);
      for (const inner of part as readonly TupleKey[]) push(out, inner);
    } else refuse(`a part of a key cannot be of type ${typeof part}`);
    if (!open) out.push(END);
  }
}

function float(r: Reader): number {
  const eight = new Uint8Array(8).map(() => r.u8());
  const negative = (eight[0] as number) < 0x80;
  return floatOf(eight.map((byte, at) => byte ^ (negative ? 0xff : at === 0 ? 0x80 : 0)));
}

function big(r: Reader): bigint {
  const head = r.u8();
  const negative = head < 0x80;
  let value = 0n;
  for (let left = negative ? 0x7f - head : head - 0x80; left > 0; left -= 1) {
    value = value * 256n + BigInt(negative ? r.u8() ^ 0xff : r.u8());
  }
  return negative ? -value : value;
}

function escaped(r: Reader, raw: Uint8Array): Uint8Array {
  const content: number[] = [];
  for (;;) {
    const byte = r.u8();
    if (byte === END) {
      if (raw[r.position] !== ESCAPE) return new Uint8Array(content);
      r.u8();
    }
    content.push(byte);
  }
}

/** Takes a part off a reader of these bytes. */
function part(r: Reader, raw: Uint8Array): TupleKey {
  switch (r.u8()) {
    case NULL: return null;
    case FALSE: return false;
    case TRUE: return true;
    case NUMBER: return float(r);
    case BIG: return big(r);
    case DATE: return new Date(float(r));
    case STRING: return decodeText(escaped(r, raw));
    case BYTES: return escaped(r, raw);
    case ARRAY: {
      const parts: TupleKey[] = [];
      while (raw[r.position] !== END) parts.push(part(r, raw));
      r.u8();
      return parts;
    }
    default: return foreign('tuple');
  }
}

/**
 * Keys of parts, in order: `['user', 42, new Date()]`. A prefix is an array whose parts are the
 * first ones of the key, or the beginning of a string: `{ prefix: ['user'] }`.
 */
export const tuple: KeyCodec<TupleKey> = {
  name: 'tuple',
  encode(key) {
    const out: number[] = [];
    push(out, key);
    return new Uint8Array(out);
  },
  prefix(key) {
    const out: number[] = [];
    push(out, key, true);
    return new Uint8Array(out);
  },
  decode: (raw) => unpacked('tuple', raw, (reader) => part(reader, raw)),
};
