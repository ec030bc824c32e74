/**
 * Codecs: how keys and values of a program become the bytes that a store holds.
 *
 * The command line and the server see those bytes, so the defaults are what people can read
 * there: keys in UTF-8, values in JSON.
 */

import { encoder, Reader, Writer } from './bytes.js';
import { codeOf, refuse } from './error.js';

/** Turns keys into bytes and back. The order of the bytes is the order of the keys. */
export interface KeyCodec<K> {
  /** For error messages. */
  readonly name: string;
  /** Bytes of a key. Different keys must have different bytes. */
  encode(key: K): Uint8Array;
  /** The key of these bytes, which must not be kept: they are a view over a larger buffer. */
  decode(bytes: Uint8Array): K;
  /** How the bytes of every key begin that begins with `key`; `encode` unless given. */
  prefix?(key: K): Uint8Array;
  /** Bytes before which all of these keys are, if bytes of other keys begin as `prefix` says. */
  prefixEnd?(key: K): Uint8Array | undefined;
}

/** Turns values into bytes and back. */
export interface ValueCodec<V> {
  /** For error messages. */
  readonly name: string;
  /** Bytes of a value. */
  encode(value: V): Uint8Array;
  /** The value of these bytes, which must not be kept: they are a view over a larger buffer. */
  decode(bytes: Uint8Array): V;
}

/** The codecs of a store or of a part of it. */
export interface CodecOptions<K, V> {
  /** How keys are stored; {@link utf8} unless given. */
  keys?: KeyCodec<K> | undefined;
  /** How values are stored; {@link json} unless given. */
  values?: ValueCodec<V> | undefined;
}

const decoder = /* @__PURE__ */ new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Plain text up to so long is encoded and decoded faster here than by a call out of the script. */
const SHORT = 40;
/** Where texts are encoded, one behind the other: to make an array costs more than to fill it. */
const POOL_TEXT = 20 << 10;
let pool = /* @__PURE__ */ new Uint8Array(0);

/** A string. */
function checkString(text: string): string {
  if (typeof text !== 'string') refuse('a key or value must be a string');
  return text;
}

/** A string that UTF-8 can hold. */
export function checkText(text: string): string {
  checkString(text);
  // With the u flag this finds surrogates that stand alone.
  if (/[\ud800-\udfff]/u.test(text)) refuse('a string has half of a surrogate pair');
  return text;
}

/** Writes a text that is plain and short from a place on; its length, 0 for any other one. */
function writePlain(into: Uint8Array, text: string, at: number): number {
  let length = text.length > SHORT ? 0 : text.length;
  for (let i = 0; i < length; i += 1) if ((into[at + i] = text.charCodeAt(i)) >= 0x80) length = 0;
  return length;
}

/** How a codec encodes what is a text first, whose UTF-8 is what it gives. */
const byText = <T>(encode: (value: T) => Uint8Array, asText: (value: T) => string) =>
  Object.assign(encode, { asText });

/** The text that is encoded for a value, where that is how its codec does it. */
export function asTextOf<T>(encode: (value: T) => Uint8Array): ((value: T) => string) | undefined {
  return (encode as { asText?: (value: T) => string }).asText;
}

/**
 * UTF-8 of a string; one that UTF-8 cannot hold is refused, since it would read otherwise. May be
 * a view over a larger buffer.
 */
export const encodeText = /* @__PURE__ */ byText((text: string): Uint8Array => {
  const { length } = checkText(text);
  if (length > POOL_TEXT) return encoder.encode(text);
  if (length * 3 > pool.length) pool = new Uint8Array(POOL_TEXT * 3);
  const end = writePlain(pool, text, 0) || encoder.encodeInto(text, pool).written;
  const raw = pool.subarray(0, end);
  pool = pool.subarray(end);
  return raw;
}, checkString);

/** How many bytes a string is in UTF-8; one that it cannot hold is refused. */
export function textLength(text: string): number {
  let { length } = checkText(text);
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    // Half of a pair is two of its four bytes.
    if (unit >= 0x80) length += unit < 0x800 || (unit & 0xf800) === 0xd800 ? 1 : 2;
  }
  return length;
}

/** Encodes text into bytes from a place on; how many it took. */
type WriteText = (into: Uint8Array, text: string, at: number) => number;
let writeLong: WriteText = (into, text, at) => encoder.encodeInto(text, into.subarray(at)).written;

/**
 * The same where it is to stand, from a place on; how many bytes it took. There must be three for
 * each of its units.
 */
export function writeText(into: Uint8Array, text: string, at: number): number {
  return writePlain(into, text, at) || writeLong(into, checkText(text), at);
}

/** Has text written this way that is not plain and short. */
export function writeTextBy(way: WriteText): void {
  writeLong = way;
}

/** The string of UTF-8 bytes; anything else is refused. */
export function decodeText(bytes: Uint8Array): string {
  let at = 0;
  while (at < SHORT && (bytes[at] as number) < 0x80) at += 1;
  if (at === bytes.length) return String.fromCharCode.apply(null, bytes as never);
  try {
    return decoder.decode(bytes);
  } catch (cause) {
    foreign('utf8', cause);
  }
}

/** Has what encodes and decodes text known to every entry of the package. */
export function markText(): void {
  for (const turn of [encodeText, decodeText]) Object.assign(turn, { isText: true });
}

/** Whether this is how the text codec encodes or decodes, that of whichever entry marked it. */
export function isText(turn: object): boolean {
  return (turn as { isText?: boolean }).isText === true;
}

/** Refuses bytes that a codec cannot read. */
export function foreign(codec: string, cause?: unknown): never {
  refuse(`the bytes are not of the codec ${codec}`, cause);
}

/** What all of these bytes are to the codec of that name. */
export function unpacked<T>(codec: string, raw: Uint8Array, unpack: (reader: Reader) => T): T {
  const reader = new Reader(raw);
  try {
    const value = unpack(reader);
    if (reader.done) return value;
  } catch (cause) {
    foreign(codec, cause);
  }
  foreign(codec);
}

/** The bytes that a codec of that name packs. What it fails at is refused: a depth, a getter. */
export function packedBy(codec: string, pack: (writer: Writer) => void): Uint8Array {
  const w = new Writer(64);
  try {
    pack(w);
  } catch (cause) {
    if (codeOf(cause)) throw cause;
    refuse(`the codec ${codec} cannot hold it`, cause);
  }
  return w.take();
}

/** What a codec makes of a part of a buffer; Node has a shorter way for text. */
export let decodeAt = <T>(
  codec: { decode(bytes: Uint8Array): T }, buffer: Uint8Array, start: number, end: number,
): T => codec.decode(buffer.subarray(start, end));

/** Has parts of buffers decoded another way. */
export function decodeBy(way: typeof decodeAt): void {
  decodeAt = way;
}

/** Strings in UTF-8, for keys and values. Keys order by code point. */
export const utf8: KeyCodec<string> & ValueCodec<string> = {
  name: 'utf8',
  encode: encodeText,
  decode: decodeText,
};

/** Bytes and nothing else. */
export function checkBytes(raw: Uint8Array): Uint8Array {
  if (!(raw instanceof Uint8Array)) refuse('a Uint8Array is expected');
  return raw;
}

/** Bytes as they are, for keys and values. */
export const bytes: KeyCodec<Uint8Array> & ValueCodec<Uint8Array> = {
  name: 'bytes',
  encode: checkBytes,
  // That of a Buffer would still be a view.
  decode: (raw) => new Uint8Array(raw),
};

/** What `JSON.stringify` makes of a value. */
function jsonText(value: unknown): string {
  const lost = ArrayBuffer.isView(value) || value instanceof ArrayBuffer
    || value instanceof Map || value instanceof Set || value instanceof Promise;
  let text: string | undefined;
  let cause: unknown;
  try {
    text = lost ? undefined : JSON.stringify(value);
  } catch (e) {
    cause = e;
  }
  return text ?? refuse('JSON cannot hold it: use the codec `structured` or `bytes`', cause);
}

/**
 * Values in JSON: what `JSON.stringify` keeps. It has no NaN and no Infinity, which come back as
 * null, nor -0, and dates come back as strings: `structured` keeps them. Binary data, Map, Set
 * and promises are refused.
 */
export const json: ValueCodec<any> = {
  name: 'json',
  encode: /* @__PURE__ */ byText((value) => encodeText(jsonText(value)), jsonText),
  decode(raw) {
    try {
      return JSON.parse(decodeText(raw));
    } catch (cause) {
      foreign('json', cause);
    }
  },
};
