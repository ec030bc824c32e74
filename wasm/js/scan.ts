/** Ranges read piece by piece: one message brings many records, the next one comes meanwhile. */

import { checkCount, checkSignal } from './check.js';
import { SiltError } from './error.js';
import { after, momentAt, rangeBytes } from './scope.js';
import type { Range, ReadOptions, Scope } from './scope.js';
import type { Session } from './session.js';
import type { KeyRange, Moment, PackedRecord, ScanRequest } from './wire.js';
import { decodeScan, encodeScan } from './wire.js';

/** What to read, in which order, and how it travels. */
export interface ScanOptions<K> extends Range<K>, ReadOptions {
  /** From the last key to the first. */
  reverse?: boolean | undefined;
  /** At most so many records. */
  limit?: number | undefined;
  /** Bytes of keys and values that travel in one message; 512 KiB unless given. */
  chunkBytes?: number | undefined;
  /** Ends the reading with `SILT_ABORTED`. */
  signal?: AbortSignal | undefined;
}

const FIRST_RECORDS = 256;
/** Bytes of a chunk unless given. */
export const CHUNK_BYTES = 512 << 10;

/** What a scan of bytes needs to know. */
export interface RawScanOptions extends KeyRange {
  moment: Moment;
  reverse: boolean;
  keysOnly: boolean;
  limit: number;
  chunkBytes: number;
  /** False: the moment is one that somebody else holds. */
  keep: boolean;
}

/** A range of records in bytes. At most two chunks are held: one is used, one is on its way. */
export class RawScan {
  readonly #session: Session;
  readonly #options: RawScanOptions;
  /** What is left of it. */
  #range: KeyRange;
  #left: number;
  #records = FIRST_RECORDS;
  #more = true;
  /** The view that this scan has opened and has to close. */
  #kept: number | undefined;
  /** The moment of that view, once it is known: another host opens it again there. */
  #seq: number | undefined;
  /** Closed: what is on its way is of no use any more. */
  #over = false;
  #ahead: Promise<PackedRecord[]> | undefined;

  constructor(session: Session, options: RawScanOptions) {
    this.#session = session;
    this.#options = options;
    const { from, to, prefix } = options;
    this.#range = { from, to, prefix };
    this.#left = options.limit;
  }

  /** The records that follow; none at the end. */
  async chunk(): Promise<PackedRecord[]> {
    const records = await (this.#ahead ?? this.#fetch());
    if (this.#over) return [];
    this.#ahead = undefined;
    if (this.#more && this.#left > 0) {
      this.#ahead = this.#fetch();
      // A failure is told when it is asked for.
      this.#ahead.catch(() => {});
    }
    return records;
  }

  async #fetch(): Promise<PackedRecord[]> {
    if (this.#over || !this.#more || this.#left <= 0) return [];
    const { reverse, keysOnly, chunkBytes, keep, moment } = this.#options;
    const limit = Math.min(this.#records, this.#left);
    if (keep && this.#kept === undefined && limit < this.#left) {
      this.#kept = this.#session.nextView();
    }
    const view = this.#kept;
    const at = this.#seq ?? moment.at;
    const kept = view === undefined ? undefined : { keep: true, view, at };
    const request: ScanRequest = {
      ...this.#range,
      ...moment,
      ...kept,
      reverse,
      keysOnly,
      limit: limit === Infinity ? 0 : limit,
      bytes: chunkBytes,
    };
    const { seq, more, records } = await this.#session.request(
      (w) => encodeScan(w, request),
      decodeScan,
    );
    if (this.#over) return [];
    if (this.#kept !== undefined) this.#seq = seq;
    this.#left -= records.length;
    this.#more = more;
    this.#records = this.#records < FIRST_RECORDS * 8 ? this.#records * 8 : Infinity;
    // The host closes a kept view by itself at the end of the range.
    if (!more) this.#kept = undefined;
    else if (this.#left <= 0) this.#unkeep();
    const last = records.at(-1)?.key;
    if (last && reverse) this.#range.to = last;
    else if (last) this.#range.from = after(last);
    return records;
  }

  #unkeep(): void {
    const view = this.#kept;
    this.#kept = undefined;
    // What fails here has closed the view in another way.
    if (view !== undefined) this.#session.closeNumber(view).catch(() => {});
  }

  /** Ends it. */
  close(): void {
    this.#over = true;
    this.#ahead = undefined;
    this.#unkeep();
  }
}

/** What a caller's options ask of a scan of bytes. */
export function rawOptions<K>(
  scope: Scope<K, unknown>,
  options: ScanOptions<K>,
  keysOnly: boolean,
): RawScanOptions {
  const range = rangeBytes(scope, options, ' at reverse limit chunkBytes signal');
  const moment = momentAt(scope, options.at);
  checkSignal(options.signal);
  return {
    ...range,
    moment,
    reverse: Boolean(options.reverse),
    keysOnly,
    limit: checkCount(options.limit, Infinity, 'limit'),
    chunkBytes: checkCount(options.chunkBytes, CHUNK_BYTES, 'chunkBytes'),
    keep: moment.view === undefined,
  };
}

/**
 * A range, read while it is iterated over: all of it as it was when the first step was asked
 * for, whatever is written meanwhile. Reading ahead is bounded, so a slow reader costs no memory.
 *
 * Leaving a `for await` loop ends it; otherwise call `return()` when it is not read to its end.
 */
export class Scan<T> implements AsyncIterableIterator<T>, AsyncDisposable {
  readonly #raw: RawScan;
  readonly #decode: (record: PackedRecord) => T;
  readonly #signal: AbortSignal | undefined;
  #records: PackedRecord[] = [];
  #at = 0;
  #done = false;
  #asking: Promise<void> | undefined;

  /** @internal */
  constructor(raw: RawScan, decode: (record: PackedRecord) => T, signal?: AbortSignal) {
    this.#raw = raw;
    this.#decode = decode;
    this.#signal = signal;
  }

  /** The next record. */
  async next(): Promise<IteratorResult<T, undefined>> {
    // Whoever else waited may have taken what came.
    while (this.#at >= this.#records.length && !this.#done) await this.#more();
    const record = this.#records[this.#at++];
    return record ? { done: false, value: this.#decode(record) } : { done: true, value: undefined };
  }

  /** The next `count` records, fewer at the end. */
  async take(count: number): Promise<T[]> {
    const most = checkCount(count, Infinity, 'count');
    const taken: T[] = [];
    for (;;) {
      while (taken.length < most && this.#at < this.#records.length) {
        taken.push(this.#decode(this.#records[this.#at++] as PackedRecord));
      }
      if (this.#done || taken.length >= most) return taken;
      await this.#more();
    }
  }

  /** All the records that are left. */
  async all(): Promise<T[]> {
    return this.take(Infinity);
  }

  /** Several steps may be asked for at once: they wait for the same chunk. */
  #more(): Promise<void> {
    return (this.#asking ??= this.#ask().finally(() => (this.#asking = undefined)));
  }

  async #ask(): Promise<void> {
    if (this.#signal?.aborted) {
      await this.return();
      throw aborted(this.#signal);
    }
    let records: PackedRecord[];
    try {
      records = await this.#raw.chunk();
    } catch (error) {
      await this.return();
      throw error;
    }
    if (this.#done) return;
    this.#records = records;
    this.#at = 0;
    this.#done = records.length === 0;
  }

  /** Ends the reading. */
  async return(): Promise<IteratorResult<T, undefined>> {
    this.#done = true;
    this.#records = [];
    this.#raw.close();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Ends the reading. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }
}

/** The error of work that a signal has ended. */
export function aborted(signal: AbortSignal): SiltError {
  return new SiltError('SILT_ABORTED', 'ended by its signal', { cause: signal.reason });
}
