/**
 * How the bytes of a file lie in the database: a chunk of 64 KiB under [file, number]; what was
 * appended to the last chunk since stands in pieces of its own, under [file, number, offset].
 *
 * So a small commit writes what it appends and not the chunk around it. A chunk with many pieces,
 * or one that is full, is written whole again and its pieces go.
 */

import type { MemoryFile } from './memory-file.js';

/** Bytes of a chunk. */
export const CHUNK = 64 * 1024;

/** Pieces of a chunk; each makes loading a little slower. */
const PIECES_MAX = 64;

/** What of a file is to be written. */
export interface FileChange {
  /** Chunks whose pieces go. */
  joined: number[];
  written: [key: [at: number] | [at: number, offset: number], bytes: Uint8Array][];
}

/** What the database has of a file, and what it has not yet. */
export class Layout {
  /** Chunks in the database: those from here on are new. */
  #chunks: number;
  /** Pieces by chunk, where there are any. */
  readonly #pieces: Map<number, number>;
  /** Chunks to be written as a whole. */
  #whole = new Set<number>();
  /** Where what was appended since the last commit begins. */
  #from = Infinity;

  constructor(chunks = 0, pieces = new Map<number, number>()) {
    this.#chunks = chunks;
    this.#pieces = pieces;
    // A new file is there even while it is empty.
    if (chunks === 0) this.#whole.add(0);
  }

  /** Bytes from `start` on were appended. */
  append(start: number): void {
    this.#from = Math.min(this.#from, start);
  }

  /** The file ends at `length` now. The chunks behind the end are written, as empty. */
  truncate(length: number): void {
    for (let at = Math.floor(length / CHUNK); at < this.#chunks; at += 1) this.#whole.add(at);
    this.#from = Math.min(this.#from, length);
  }

  /** What is to be written; from now on the database is taken to have it. */
  take(file: MemoryFile): FileChange {
    const change: FileChange = { joined: [], written: [] };
    const last = Math.max(0, Math.ceil(file.length / CHUNK) - 1);
    for (let at = Math.floor(this.#from / CHUNK); at <= last; at += 1) {
      if (!this.#takePiece(file, at, change)) this.#whole.add(at);
    }
    for (const at of this.#whole) {
      change.written.push([[at], file.slice(at * CHUNK, CHUNK)]);
      if (this.#pieces.delete(at)) change.joined.push(at);
      this.#chunks = Math.max(this.#chunks, at + 1);
    }
    this.#whole = new Set();
    this.#from = Infinity;
    return change;
  }

  #takePiece(file: MemoryFile, at: number, change: FileChange): boolean {
    const pieces = this.#pieces.get(at) ?? 0;
    const full = file.length >= (at + 1) * CHUNK;
    if (at >= this.#chunks || full || this.#whole.has(at) || pieces >= PIECES_MAX) return false;
    const start = Math.max(this.#from, at * CHUNK);
    this.#pieces.set(at, pieces + 1);
    change.written.push([[at, start - at * CHUNK], file.slice(start, CHUNK)]);
    return true;
  }
}

/** The parts of a file as they were read, put in order. */
export class Parts {
  readonly #chunks: Uint8Array[][] = [];

  /** `offset` is that of a piece. */
  add(at: number, offset: number | undefined, bytes: Uint8Array): void {
    const parts = (this.#chunks[at] ??= []);
    // Keys are in order, so a piece comes after what it stands behind.
    if (offset === undefined || offset === lengthOf(parts)) parts.push(bytes);
    else parts.length = 0;
  }

  /**
   * The bytes up to the first chunk that is short: what follows was cut off. Undefined when
   * something between has been lost.
   */
  whole(): { parts: Uint8Array[]; layout: Layout } | undefined {
    const all = Array.from(this.#chunks);
    const short = all.findIndex((parts) => !parts || lengthOf(parts) < CHUNK);
    const kept = short < 0 ? all : all.slice(0, short + 1);
    if (kept.some((parts) => !parts || parts.length === 0)) return undefined;
    const pieces = new Map<number, number>();
    all.forEach((parts, at) => {
      if (parts && parts.length > 1) pieces.set(at, parts.length - 1);
    });
    return { parts: kept.flat(), layout: new Layout(all.length, pieces) };
  }
}

function lengthOf(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0);
}
