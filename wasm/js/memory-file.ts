/** A file in memory that grows by doubling. */

import { SiltError } from './error.js';

/** See the head of this file. */
export class MemoryFile {
  readonly name: string;
  #bytes: Uint8Array;
  #length = 0;

  constructor(name: string, parts: readonly Uint8Array[]) {
    this.name = name;
    this.#bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    for (const part of parts) this.append(part);
  }

  get length(): number {
    return this.#length;
  }

  append(bytes: Uint8Array): void {
    const end = this.#length + bytes.length;
    if (end > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(end, this.#bytes.length * 2, 4096));
      grown.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = grown;
    }
    this.#bytes.set(bytes, this.#length);
    this.#length = end;
  }

  truncate(length: number): void {
    this.#length = length;
  }

  read(offset: number, into: Uint8Array): void {
    if (offset + into.length > this.#length) {
      throw new SiltError('SILT_UNEXPECTED_END', `${this.name} ends before the bytes asked for`);
    }
    into.set(this.#bytes.subarray(offset, offset + into.length));
  }

  /** A copy of at most `length` bytes at `offset`. */
  slice(offset: number, length: number): Uint8Array {
    return this.#bytes.slice(offset, Math.min(offset + length, this.#length));
  }
}
