/**
 * The journal beside a store's files: the number of the last manifest that was published whole,
 * and a ring of notes of requests.
 *
 * The number stands in two sectors written by turns, so that a torn write leaves the other. A
 * note survives the death of the worker, which is when it is asked for.
 */

import { SiltError } from './error.js';
import { fileName, JOURNAL_NAME } from './names.js';
import type { SyncHandle } from './opfs-handle.js';

const SECTOR = 512;
const RING_START = 4096;
const RING_NOTES = 4096;
const NOTE_FIELDS = 5;
const NOTE_BYTES = NOTE_FIELDS * 8;

/** See the head of this file. */
export class Journal {
  readonly #handle: SyncHandle;
  #published = -1;
  #records = 0;
  #ordinal = 0;
  readonly #fields = new Float64Array(NOTE_FIELDS);
  readonly #bytes = new Uint8Array(this.#fields.buffer);

  constructor(handle: SyncHandle) {
    this.#handle = handle;
    for (const sector of [0, 1]) {
      const [count = 0, number = 0, check] = this.#read(sector * SECTOR, 24);
      if (count > this.#records && check === -(count + number)) {
        this.#records = count;
        this.#published = number;
      }
    }
    for (const note of this.#ring()) this.#ordinal = Math.max(this.#ordinal, note[0] ?? 0);
  }

  /**
   * The last number published, given those of the files there. Without a journal the files came
   * from elsewhere and are believed.
   */
  check(numbers: readonly number[]): number {
    if (this.#published < 0) this.record(Math.max(0, ...numbers));
    if (this.#published > 0 && !numbers.includes(this.#published)) {
      const name = fileName('manifest', this.#published);
      throw new SiltError('SILT_CORRUPT', `${name} is missing: files of the store were removed`);
    }
    return this.#published;
  }

  /** Says, durably, that the manifest of this number is whole. */
  record(number: number): void {
    this.#records += 1;
    const fields = new Float64Array([this.#records, number, -(this.#records + number)]);
    this.#write(new Uint8Array(fields.buffer), (this.#records % 2) * SECTOR);
    this.#handle.flush();
    this.#published = number;
  }

  note(client: number, request: number, before: number): void {
    this.#ordinal += 1;
    const check = this.#ordinal + client + request + before;
    this.#fields.set([this.#ordinal, client, request, before, check]);
    this.#write(this.#bytes, RING_START + (this.#ordinal % RING_NOTES) * NOTE_BYTES);
  }

  /** Client, request and seq before it, in the order they were noted. */
  notes(): [number, number, number][] {
    const notes = this.#ring().sort((a, b) => (a[0] ?? 0) - (b[0] ?? 0));
    return notes.map(([, client = 0, request = 0, before = 0]) => [client, request, before]);
  }

  close(): void {
    this.#handle.close();
  }

  #ring(): number[][] {
    const all = this.#read(RING_START, RING_NOTES * NOTE_BYTES);
    const notes: number[][] = [];
    for (let at = 0; at + NOTE_FIELDS <= all.length; at += NOTE_FIELDS) {
      const note = [...all.subarray(at, at + NOTE_FIELDS)];
      const [ordinal = 0, client = 0, request = 0, before = 0, check] = note;
      if (ordinal > 0 && check === ordinal + client + request + before) notes.push(note);
    }
    return notes;
  }

  #read(offset: number, length: number): Float64Array {
    const there = Math.max(0, Math.min(length, this.#handle.getSize() - offset));
    const bytes = new Uint8Array(there);
    if (there > 0) this.#handle.read(bytes, { at: offset });
    return new Float64Array(bytes.buffer, 0, Math.floor(there / 8));
  }

  #write(bytes: Uint8Array, at: number): void {
    if (this.#handle.write(bytes, { at }) !== bytes.length) {
      throw new SiltError('SILT_OUT_OF_SPACE', `no space is left for ${JOURNAL_NAME}`);
    }
  }
}
