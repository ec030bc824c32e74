/** Ranges read piece by piece: one message brings many records, the next one comes meanwhile. */

import type { MakeOfRecord, Reader } from './bytes.js';
import { checkCount, checkSignal } from './check.js';
import { SiltError } from './error.js';
import { after, momentAt, rangeBytes } from './scope.js';
import type { Range, ReadOptions, Scope } from './scope.js';
import type { Session } from './session.js';
import type { KeyRange, Moment } from './wire.js';
import { decodeScan, encodeScan, NONE } from './wire.js';

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
  /** What is left of it. */
  readonly #options: RawScanOptions;
  /** How many come next, if they are small. */
  #records = FIRST_RECORDS;
  #more: boolean;
  /** The view that this scan has opened and has to close. */
  #kept: number | undefined;
  /** The chunk that is on its way; none after the last. */
  ahead: Promise<Reader> | undefined;

  /** It changes these options. */
  constructor(session: Session, options: RawScanOptions) {
    this.#session = session;
    this.#options = options;
    this.#more = options.limit > 0;
  }

  /** The records that follow; none at the end. */
  async chunk(): Promise<Reader> {
    const records = await (this.ahead ?? this.#fetch());
    this.ahead = this.#more ? this.#fetch() : undefined;
    // A failure is told when it is asked for.
    this.ahead?.catch(() => {});
    return records;
  }

  async #fetch(): Promise<Reader> {
    if (!this.#more) return NONE;
    const options = this.#options;
    const { moment, reverse, limit: left } = options;
    const limit = Math.min(this.#records, left);
    if (options.keep && limit < left) this.#kept ??= this.#session.nextView();
    const { seq, more, count, last, records } = await this.#session.request(
      (w) => encodeScan(w, {
        ...options,
        at: moment.at,
        viewId: this.#kept ?? moment.viewId,
        keep: this.#kept !== undefined,
        limit: limit < Infinity ? limit : 0,
        bytes: options.chunkBytes,
      }),
      decodeScan,
    );
    // It was closed meanwhile.
    if (!this.#more) return NONE;
    // Another host opens the view again there. The moment of a snapshot says so itself, and no more
    // once that is closed: nobody would close the view then.
    if (options.keep) options.moment = { at: seq };
    options.limit -= count;
    this.#more = more && count < left;
    this.#records = Infinity;
    if (reverse) options.to = last;
    else options.from = after(last);
    // The host closes a kept view by itself at the end of the range.
    if (!more) this.#kept = undefined;
    else if (!this.#more) this.#unkeep();
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
    this.#more = false;
    this.ahead = undefined;
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
    keep: moment.viewId === undefined,
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
  readonly #make: MakeOfRecord<T>;
  readonly #signal: AbortSignal | undefined;
  #records = NONE;
  #done = false;
  #asking: Promise<void> | undefined;

  /** @internal */
  constructor(raw: RawScan, make: MakeOfRecord<T>, signal?: AbortSignal) {
    this.#raw = raw;
    this.#make = make;
    this.#signal = signal;
  }

  /** The next record. */
  async next(): Promise<IteratorResult<T, undefined>> {
    // Whoever else waited may have taken what came.
    while (this.#records.done) {
      if (this.#done) return this.return();
      await this.#more();
    }
    return { done: false, value: this.#records.record(this.#make) };
  }

  /** The next `count` records, fewer at the end. */
  async take(count: number): Promise<T[]> {
    const most = checkCount(count, Infinity, 'count');
    const taken: T[] = [];
    for (;;) {
      while (taken.length < most && !this.#records.done) {
        taken.push(this.#records.record(this.#make));
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
    try {
      if (this.#signal?.aborted) throw aborted(this.#signal);
      const records = await this.#raw.chunk();
      if (this.#done) return;
      this.#records = records;
      this.#done = !this.#raw.ahead;
    } catch (error) {
      await this.return();
      throw error;
    }
  }

  /** Ends the reading. */
  async return(): Promise<IteratorResult<T, undefined>> {
    this.#done = true;
    this.#records = NONE;
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
