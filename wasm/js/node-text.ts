/** Text in Node, whose buffers read it out of a part of one without a view. */

import { Buffer } from 'node:buffer';
import { decodeBy, decodeText } from './codec.js';

const { utf8Slice } = Buffer.prototype as unknown as {
  utf8Slice(this: Uint8Array, start: number, end: number): string;
};

function textAt(buffer: Uint8Array, start: number, end: number): string {
  const text = utf8Slice.call(buffer, start, end);
  // Stands for what is no UTF-8, or for itself.
  return text.includes('\ufffd') ? decodeText(buffer.subarray(start, end)) : text;
}

/** The text codec, of whichever entry of the package, decodes by a function that says so. */
interface Decoding<T> {
  decode: { (bytes: Uint8Array): T; isText?: boolean };
}

/** Has text read this way from here on. */
export function readTextOfNode(): void {
  Object.assign(decodeText, { isText: true });
  decodeBy(<T>(codec: Decoding<T>, buffer: Uint8Array, start: number, end: number) =>
    codec.decode.isText
      ? (textAt(buffer, start, end) as T)
      : codec.decode(buffer.subarray(start, end)));
}
