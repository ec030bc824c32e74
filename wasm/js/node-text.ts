/** Text in Node, whose buffers read it out of a part of one without a view. */

import { Buffer } from 'node:buffer';
import { decodeBy, decodeText, encodeText } from './codec.js';

const { utf8Slice } = Buffer.prototype as unknown as {
  utf8Slice(this: Uint8Array, start: number, end: number): string;
};

function textAt(buffer: Uint8Array, start: number, end: number): string {
  const text = utf8Slice.call(buffer, start, end);
  // Stands for what is no UTF-8, or for itself.
  return text.includes('\ufffd') ? decodeText(buffer.subarray(start, end)) : text;
}

/** Whether this is how the text codec encodes or decodes, that of whichever entry of the package. */
export function isText(turn: object): boolean {
  return (turn as { isText?: boolean }).isText === true;
}

/** Has text read this way from here on. */
export function readTextOfNode(): void {
  for (const turn of [encodeText, decodeText]) Object.assign(turn, { isText: true });
  decodeBy(<T>(
    codec: { decode: (bytes: Uint8Array) => T }, buffer: Uint8Array, start: number, end: number,
  ) => isText(codec.decode)
    ? (textAt(buffer, start, end) as T)
    : codec.decode(buffer.subarray(start, end)));
}
