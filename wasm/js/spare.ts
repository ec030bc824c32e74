/**
 * Memory of large messages, used again: to get new memory takes longer than to copy what is to
 * stand there. What is sent moves with its memory, which comes back with the answer.
 */

/** Bytes from which it is cheaper to move memory than to copy what stands in it. */
const LARGE = 16 << 10;
/** Larger memory is not kept. */
const LARGEST = 1 << 20;
/** Enough for a message, and for the copy of it that is sent. */
const KEPT = 2;
const spares: ArrayBuffer[] = [];

/** A copy of bytes in memory of its own, of which it may be only the beginning. */
export function copyOf(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const { length } = bytes;
  const spare = length < LARGE ? undefined : spares.pop();
  if (!spare || spare.byteLength < length) return bytes.slice() as Uint8Array<ArrayBuffer>;
  new Uint8Array(spare).set(bytes);
  return new Uint8Array(spare, 0, length);
}

/** The memory to move along with bytes that own theirs; to look at that of a few would make it. */
export function moved(bytes: Uint8Array): ArrayBuffer[] {
  return bytes.length < LARGE ? [] : [bytes.buffer as ArrayBuffer];
}

/** Has memory used again: nobody looks at what stands there any more. */
export function spend(buffer: ArrayBuffer): void {
  if (buffer.byteLength <= LARGEST && spares.length < KEPT) spares.push(buffer);
}
