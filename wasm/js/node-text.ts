/** Text in Node, whose buffers read and write it in a part of one without a view. */

import { Buffer } from 'node:buffer';
import { decodeBy, decodeText, isText, markText, writeTextBy } from './codec.js';

const { utf8Slice, utf8Write } = Buffer.prototype as unknown as {
  utf8Slice(this: Uint8Array, start: number, end: number): string;
  utf8Write(this: Uint8Array, text: string, at: number): number;
};

function textAt(buffer: Uint8Array, start: number, end: number): string {
  const text = utf8Slice.call(buffer, start, end);
  // Stands for what is no UTF-8, or for itself.
  return text.includes('\ufffd') ? decodeText(buffer.subarray(start, end)) : text;
}

/** Has text read and written this way from here on. */
export function useTextOfNode(): void {
  markText();
  writeTextBy((into, text, at) => utf8Write.call(into, text, at));
  decodeBy(<T>(
    codec: { decode: (bytes: Uint8Array) => T }, buffer: Uint8Array, start: number, end: number,
  ) => isText(codec.decode)
    ? (textAt(buffer, start, end) as T)
    : codec.decode(buffer.subarray(start, end)));
}
