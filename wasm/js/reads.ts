/** The verbs that read: of a store, of a part of one, and of a snapshot. */

import { dateOfSeq, entriesOf, type Found, foundOf, keysOf, valuesOf } from './answers.js';
import type { MakeOfRecord, Reader } from './bytes.js';
import { mapList } from './check.js';
import { type ScanOptions, Scan, RawScan, rawOptions } from './scan.js';
import { type Range, type ReadOptions, type Scope } from './scope.js';
import { keyBytes, momentAt, momentOf, rangeBytes } from './scope.js';
import type { Session } from './session.js';
import type { Moment } from './wire.js';
import { decodeGet, decodeGetMany, decodeHas, decodeNumber } from './wire.js';
import { encodeCount, encodeGet, encodeGetMany, encodeHas } from './wire.js';

/** What can be read. */
export class Reads<K, V> {
  /** @internal */
  readonly session: Session;
  /** @internal */
  readonly scope: Scope<K, V>;

  /** @internal */
  constructor(session: Session, scope: Scope<K, V>) {
    this.session = session;
    this.scope = scope;
  }

  /** The value of a key, or undefined if it has none. */
  async get(key: K, options?: ReadOptions): Promise<V | undefined> {
    const raw = keyBytes(this.scope, key);
    const moment = momentOf(this.scope, options);
    return this.session.get(raw, moment, this.scope.values);
  }

  /** The value of a key with its seq and expiry, or undefined if it has none. */
  async getRecord(key: K, options?: ReadOptions): Promise<Found<V> | undefined> {
    return this.#ask(encodeGet, key, options, (r) => {
      const found = decodeGet(r);
      return found && foundOf(this.scope, found);
    });
  }

  /** The values of many keys, in their order, undefined for those without one. */
  async getMany(keys: readonly K[], options?: ReadOptions): Promise<(V | undefined)[]> {
    const { scope } = this;
    const raws = mapList(keys, 'keys', (key) => keyBytes(scope, key));
    const moment = momentOf(scope, options);
    return this.session.request(
      (w) => encodeGetMany(w, raws, moment),
      (r) => decodeGetMany(r).map((raw) => raw && scope.values.decode(raw)),
    );
  }

  /** Whether a key has a value. */
  async has(key: K, options?: ReadOptions): Promise<boolean> {
    return this.#ask(encodeHas, key, options, decodeHas);
  }

  #ask<T>(
    encode: typeof encodeGet,
    key: K,
    options: ReadOptions | undefined,
    decode: (reader: Reader) => T,
  ): Promise<T> {
    const raw = keyBytes(this.scope, key);
    const moment = momentOf(this.scope, options);
    return this.session.request((w) => encode(w, raw, moment), decode);
  }

  /** How many keys a range has, exactly. */
  async count(options: Range<K> & ReadOptions = {}): Promise<number> {
    const range = rangeBytes(this.scope, options, ' at');
    const moment = momentAt(this.scope, options.at);
    return this.session.request((w) => encodeCount(w, range, moment), decodeNumber);
  }

  /** Keys with their values, in order. */
  entries(options: ScanOptions<K> = {}): Scan<[K, V]> {
    return this.#scan(options, false, entriesOf(this.scope));
  }

  /** Keys, in order. Values are not read. */
  keys(options: ScanOptions<K> = {}): Scan<K> {
    return this.#scan(options, true, keysOf(this.scope));
  }

  /** Values, in the order of their keys. */
  values(options: ScanOptions<K> = {}): Scan<V> {
    return this.#scan(options, false, valuesOf(this.scope));
  }

  #scan<T>(
    options: ScanOptions<K>,
    keysOnly: boolean,
    make: MakeOfRecord<T>,
  ): Scan<T> {
    const raw = new RawScan(this.session, rawOptions(this.scope, options, keysOnly));
    return new Scan<T>(raw, make, options.signal);
  }
}

/** The store as it was at one moment, for as long as it is held open. */
export class Snapshot<K, V> extends Reads<K, V> implements AsyncDisposable {
  /** The last commit that is seen. */
  readonly seq: number;
  /** The time of that commit. */
  readonly time: Date;
  /** @internal */
  constructor(session: Session, scope: Scope<K, V>, moment: Moment, seq: number) {
    super(session, { ...scope, moment });
    this.seq = seq;
    this.time = dateOfSeq(seq);
  }

  /** Gives it back: what only it could read may now be compacted away. */
  async close(): Promise<void> {
    await this.session.closeView(this.scope.moment);
  }

  /** As `close()`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
