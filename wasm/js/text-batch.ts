/**
 * Batches of text: each string is encoded where it is to stand, and no array is kept for it, which
 * takes longer than all else that is done for a short one.
 */

import type { Operation } from './batch.js';
import { Writer } from './bytes.js';
import { checkText, isText, markText, writeText } from './codec.js';
import { packTextBy } from './owner.js';
import type { Scope } from './scope.js';
import { type Durability, LEVELS, WRITE } from './wire.js';

/** For longer text, of which three times the room is made, the memory would not be kept. */
const LONG = 256 << 10;
/** Memory for a batch that is kept for the next one; nobody has it while one is packed. */
const KEPT_BYTES = 1 << 20;
const NONE = new Uint8Array(0);
let kept = NONE;

/** Whether this sets a key, and says nothing else. */
function isPlainSet(op: Operation<unknown, unknown>): boolean {
  for (const name in op) if (name !== 'key' && name !== 'value' && name !== 'type') return false;
  return op?.type === 'set';
}

/** Fields that are packed one behind the other. */
class TextPacker {
  #bytes = kept;
  #at: number;

  /** Begins a batch of so many operations. */
  constructor(durability: Durability | undefined, count: number) {
    kept = NONE;
    const head = new Writer(16).u8(WRITE).u8(LEVELS.indexOf(durability)).n(count).view();
    this.#at = head.length;
    this.#room(0);
    this.#bytes.set(head);
  }

  /** Packs the operation that sets this. */
  set(prefix: Uint8Array, key: string, value: string): void {
    // A length takes at most 8 bytes, a code unit of a string 3.
    this.#room(17 + prefix.length + (key.length + value.length) * 3);
    this.#bytes[this.#at] = 0;
    this.#at += 1;
    this.#text(key, prefix);
    this.#text(value, NONE);
  }

  /** All of it; the memory is used again by the next one. */
  done(): Uint8Array {
    if (this.#bytes.length <= KEPT_BYTES) kept = this.#bytes;
    return this.#bytes.subarray(0, this.#at);
  }

  #room(count: number): void {
    const end = this.#at + count;
    if (end <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(end, this.#bytes.length * 2));
    grown.set(this.#bytes.subarray(0, this.#at));
    this.#bytes = grown;
  }

  /** Bytes before a text and the text, with the length of both before them. */
  #text(text: string, before: Uint8Array): void {
    const bytes = this.#bytes;
    const most = before.length + text.length * 3;
    // The length is told when it is known: its place is what the longest takes.
    const head = this.#at;
    let start = head + 1;
    for (let left = most; left >= 0x80; left = Math.floor(left / 0x80)) start += 1;
    let at = start;
    if (before.length > 0) {
      bytes.set(before, at);
      at += before.length;
    }
    this.#at = at + writeText(bytes, text, at);
    let left = this.#at - start;
    for (let place = head; place < start - 1; place += 1) {
      bytes[place] = left | 0x80;
      left >>>= 7;
    }
    bytes[start - 1] = left;
  }
}

/** A batch that sets text and does nothing else, packed; undefined for any other one. */
function packText<K, V>(
  { prefix, keys, values }: Scope<K, V>,
  operations: readonly Operation<K, V>[],
  durability: Durability | undefined,
): Uint8Array | undefined {
  if (!isText(keys.encode) || !isText(values.encode) || !Array.isArray(operations)) {
    return undefined;
  }
  const packer = new TextPacker(durability, operations.length);
  for (const op of operations as readonly Operation<string, string>[]) {
    if (!isPlainSet(op)) return undefined;
    const { key, value } = op as { key: string; value: string };
    if (checkText(key).length + checkText(value).length > LONG) return undefined;
    packer.set(prefix, key, value);
  }
  return packer.done();
}

/** Has batches of text packed this way from here on. */
export function packBatchesOfText(): void {
  markText();
  packTextBy(packText);
}
