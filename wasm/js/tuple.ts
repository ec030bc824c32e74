/**
 * The tuple codec: keys made of several parts, whose bytes order as the parts do.
 *
 * Parts of different types order by type: null, false, true, numbers, big integers, dates,
 * strings, bytes, arrays; within a type by value, arrays part by part, a shorter one first.
 */

import { floatBytes, floatOf, type Reader, unhex, type Writer } from './bytes.js';
import { type KeyCodec, decodeText, encodeText, foreign, packedBy, unpacked } from './codec.js';
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

function packFloat(w: Writer, value: number): void {
  if (Number.isNaN(value)) refuse('NaN cannot be a key');
  // Adding 0 makes one zero of two. Negative numbers order the other way round.
  const eight = floatBytes(value + 0);
  const negative = (eight[0] as number) >= 0x80;
  eight.forEach((byte, at) => w.u8(byte ^ (negative ? 0xff : at === 0 ? 0x80 : 0)));
}

function packBig(w: Writer, value: bigint): void {
  const negative = value < 0n;
  const digits = value === 0n ? '' : (negative ? -value : value).toString(16);
  const bytes = unhex(digits.length % 2 ? `0${digits}` : digits);
  const { length } = bytes;
  if (length > BIG_BYTES_MAX) refuse(`an integer in a key has ${BIG_BYTES_MAX} bytes at most`);
  w.u8(negative ? 0x7f - length : 0x80 + length);
  for (const byte of bytes) w.u8(negative ? byte ^ 0xff : byte);
}

function packEscaped(w: Writer, content: Uint8Array): void {
  for (const byte of content) {
    w.u8(byte);
    if (byte === END) w.u8(ESCAPE);
  }
}

/** Appends a part; the outermost string, bytes or array of a prefix stays open at its end. */
function packPart(w: Writer, part: TupleKey, open: boolean): void {
  if (part === null) w.u8(NULL);
  else if (typeof part === 'boolean') w.u8(part ? TRUE : FALSE);
  else if (typeof part === 'bigint') packBig(w.u8(BIG), part);
  else if (typeof part === 'number') packFloat(w.u8(NUMBER), part);
  else if (part instanceof Date) packFloat(w.u8(DATE), part.getTime());
  else {
    if (typeof part === 'string') packEscaped(w.u8(STRING), encodeText(part));
    else if (part instanceof Uint8Array) packEscaped(w.u8(BYTES), part);
    else if (Array.isArray(part)) {
      w.u8(ARRAY);
      for (const inner of part as readonly TupleKey[]) packPart(w, inner, false);
    } else refuse(`a part of a key cannot be of type ${typeof part}`);
    if (!open) w.u8(END);
  }
}

function packKey(key: TupleKey, open: boolean, last?: number): Uint8Array {
  return packedBy('tuple', (w) => {
    packPart(w, key, open);
    if (last) w.u8(last);
  });
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
  encode: (key) => packKey(key, false),
  prefix: (key) => packKey(key, true),
  // The END of a string there is a 0 inside of a longer one if an ESCAPE follows. Bytes by
  // themselves stay open: any byte may follow those.
  prefixEnd: (key) => (key instanceof Uint8Array ? undefined : packKey(key, true, ESCAPE)),
  decode: (raw) => unpacked('tuple', raw, (reader) => part(reader, raw)),
};
