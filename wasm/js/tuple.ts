/**
 * The tuple codec: keys made of several parts, whose bytes order as the parts do.
 *
 * Parts of different types order by type: null, false, true, numbers, big integers, dates,
 * strings, bytes, arrays; within a type by value, arrays part by part, a shorter one first.
 */

import { type KeyCodec, decodeText, encodeText, refuse } from './codec.js';

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
  const eight = new Uint8Array(8);
  // Adding 0 makes one zero of two. Negative numbers order the other way round.
  new DataView(eight.buffer).setFloat64(0, value + 0);
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
  if (length > BIG_BYTES_MAX) refuse(`a big integer in a key has at most ${BIG_BYTES_MAX} bytes`);
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
    if (Number.isNaN(part)) refuse('NaN has no place among keys');
    pushFloat((out.push(NUMBER), out), part);
  } else if (part instanceof Date) {
    if (Number.isNaN(part.getTime())) refuse('an invalid date cannot be a key');
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

/** Takes parts off the bytes of a key. */
class Parts {
  at = 0;
  constructor(readonly raw: Uint8Array) {}

  byte(): number {
    const byte = this.raw[this.at];
    if (byte === undefined) refuse('the key was not written by the codec `tuple`');
    this.at += 1;
    return byte;
  }

  float(): number {
    const eight = new Uint8Array(8);
    for (let at = 0; at < 8; at += 1) eight[at] = this.byte();
    const negative = (eight[0] as number) < 0x80;
    for (let at = 0; at < 8; at += 1) {
      eight[at] = (eight[at] as number) ^ (negative ? 0xff : at === 0 ? 0x80 : 0);
    }
    return new DataView(eight.buffer).getFloat64(0);
  }

  big(): bigint {
    const head = this.byte();
    const negative = head < 0x80;
    let value = 0n;
    for (let left = negative ? 0x7f - head : head - 0x80; left > 0; left -= 1) {
      value = value * 256n + BigInt(negative ? this.byte() ^ 0xff : this.byte());
    }
    return negative ? -value : value;
  }

  escaped(): Uint8Array {
    const content: number[] = [];
    for (;;) {
      const byte = this.byte();
      if (byte === END) {
        if (this.raw[this.at] !== ESCAPE) return new Uint8Array(content);
        this.at += 1;
      }
      content.push(byte);
    }
  }

  part(): TupleKey {
    const tag = this.byte();
    switch (tag) {
      case NULL: return null;
      case FALSE: return false;
      case TRUE: return true;
      case NUMBER: return this.float();
      case BIG: return this.big();
      case DATE: return new Date(this.float());
      case STRING: return decodeText(this.escaped());
      case BYTES: return this.escaped();
      case ARRAY: {
        const parts: TupleKey[] = [];
        while (this.raw[this.at] !== END) parts.push(this.part());
        this.at += 1;
        return parts;
      }
      default: refuse('the key was not written by the codec `tuple`');
    }
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
  decode(raw) {
    const parts = new Parts(raw);
    const key = parts.part();
    if (parts.at !== raw.length) refuse('the key was not written by the codec `tuple`');
    return key;
  },
};
