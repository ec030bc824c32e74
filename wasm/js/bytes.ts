/** Packing numbers and bytes: what the wire format is made of. */

import { checkWhole } from './check.js';
import { refuse } from './error.js';
import { copyOf } from './spare.js';

const decoder = /* @__PURE__ */ new TextDecoder();
/** @internal */
export const encoder = /* @__PURE__ */ new TextEncoder();

/** Appends fields to a buffer that grows. */
export class Writer {
  #bytes: Uint8Array;
  #length = 0;

  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(capacity);
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#length;
  }

  /** Runs what writes; where it fails, nothing was written. */
  whole(write: (writer: Writer) => void): void {
    const end = this.#length;
    try {
      write(this);
    } catch (e) {
      this.back(end);
      throw e;
    }
  }

  /** Forgets what was written behind a length. */
  back(length: number): void {
    this.#length = length;
  }

  #room(count: number): number {
    const at = this.#length;
    const end = at + count;
    if (end > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(end, this.#bytes.length * 2));
      grown.set(this.#bytes.subarray(0, at));
      this.#bytes = grown;
    }
    this.#length = end;
    return at;
  }

  /** One byte. */
  u8(value: number): this {
    // In this order: the buffer may be another one after room was made.
    const at = this.#room(1);
    this.#bytes[at] = value;
    return this;
  }

  /** A whole number from 0 to 2^53 - 1. */
  n(value: number): this {
    checkWhole(value, value);
    for (; value >= 0x80; value = Math.floor(value / 0x80)) this.u8(value | 0x80);
    return this.u8(value);
  }

  /** Bytes with their length before them. */
  b(bytes: Uint8Array): this {
    this.n(bytes.length);
    const at = this.#room(bytes.length);
    this.#bytes.set(bytes, at);
    return this;
  }

  /** Text that takes so many bytes, if it does. */
  text(text: string, bytes: number): boolean {
    const at = this.#room(bytes);
    return encoder.encodeInto(text, this.#bytes.subarray(at, at + bytes)).read === text.length;
  }

  /** What was written, as it is until something else is; the writer is empty after. */
  view(): Uint8Array {
    const bytes = this.#bytes.subarray(0, this.#length);
    this.#length = 0;
    return bytes;
  }

  /** What was written, in an array of its own; the writer is empty after. */
  take(): Uint8Array<ArrayBuffer> {
    return copyOf(this.view());
  }
}

/** Makes something of a record, given where its key and its value begin and end. */
export type MakeOfRecord<T> =
  (bytes: Uint8Array, key: number, keyEnd: number, value: number, valueEnd: number) => T;

/** Takes fields off a buffer. */
export class Reader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** Where the next field begins. */
  get position(): number {
    return this.#at;
  }

  /** Whether nothing is left. */
  get done(): boolean {
    return this.#at >= this.#bytes.length;
  }

  /** One byte. */
  u8(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) cut();
    this.#at += 1;
    return byte;
  }

  /** A whole number. */
  n(): number {
    let value = 0;
    for (let scale = 1; ; scale *= 0x80) {
      const byte = this.u8();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      if (scale > 2 ** 42) cut();
    }
  }

  /** Passes over bytes and says where they begin; they end at the position then. */
  skip(length = this.n()): number {
    this.#at += length;
    if (this.#at > this.#bytes.length) cut();
    return this.#at - length;
  }

  /** Bytes, as a view over the buffer. */
  b(length?: number): Uint8Array {
    return this.#bytes.subarray(this.skip(length), this.#at);
  }

  /** What is made of a record: bytes of a key, and of a value. */
  record<T>(make: MakeOfRecord<T>): T {
    return make(this.#bytes, this.skip(), this.#at, this.skip(), this.#at);
  }

  /** A string. */
  s(): string {
    return decoder.decode(this.b());
  }
}

/** The bytes of hexadecimal digits, two of them each. */
export function unhex(digits: string): Uint8Array {
  return Uint8Array.from(digits.match(/../g) ?? [], (byte) => parseInt(byte, 16));
}

/** A number that is not whole, in eight bytes whose order is that of the digits. */
export function floatBytes(value: number): Uint8Array {
  const eight = new Uint8Array(8);
  new DataView(eight.buffer).setFloat64(0, value);
  return eight;
}

/** The number of such bytes. */
export function floatOf(eight: Uint8Array): number {
  return new DataView(eight.buffer).getFloat64(0);
}

/** Refuses a message that is none. */
export function cut(): never {
  refuse('a message ends early');
}
