/** The verbs that read at once: of a store, of a part of one, and of a snapshot. */

import { entriesOf, type Found, foundOf, keysOf, valuesOf } from './answers.js';
import type { MakeOfRecord } from './bytes.js';
import { mapList } from './check.js';
import { decodeAt } from './codec.js';
import type { Owner } from './owner.js';
import { aborted, type ScanOptions, rawOptions } from './scan.js';
import type { Range, ReadOptions, Scope } from './scope.js';
import { after, isNewest, keyBytes, momentAt, momentOf, rangeBytes } from './scope.js';
import * as wire from './wire.js';

const SCAN_RECORDS = 1024;

/** What can be read at once. */
export class SyncReads<K, V> {
  /** @internal */
  readonly owner: Owner;
  /** @internal */
  readonly scope: Scope<K, V>;

  /** @internal */
  constructor(owner: Owner, scope: Scope<K, V>) {
    this.owner = owner;
    this.scope = scope;
  }

  /** The value of a key, or undefined if it has none. */
  get(key: K, options?: ReadOptions): V | undefined {
    const { owner, scope } = this;
    const moment = momentOf(scope, options);
    return isNewest(moment) ? owner.get(scope, key) : owner.getAt(scope, key, moment);
  }

  /** The value of a key with its seq and expiry, or undefined if it has none. */
  getRecord(key: K, options?: ReadOptions): Found<V> | undefined {
    const raw = keyBytes(this.scope, key);
    const moment = momentOf(this.scope, options);
    const found = this.owner.request((w) => wire.encodeGet(w, raw, moment), wire.decodeGet);
    return found && foundOf(this.scope, found);
  }

  /** The values of many keys, in their order, undefined for those without one. */
  getMany(keys: readonly K[], options?: ReadOptions): (V | undefined)[] {
    const raws = mapList(keys, 'keys', (key) => keyBytes(this.scope, key));
    const moment = momentOf(this.scope, options);
    return this.owner
      .request((w) => wire.encodeGetMany(w, raws, moment), wire.decodeGetMany)
      .map((raw) => raw && decodeAt(this.scope.values, raw, 0, raw.length));
  }

  /** Whether a key has a value. */
  has(key: K, options?: ReadOptions): boolean {
    const raw = keyBytes(this.scope, key);
    const moment = momentOf(this.scope, options);
    return this.owner.request((w) => wire.encodeHas(w, raw, moment), wire.decodeHas);
  }

  /** How many keys a range has, exactly. */
  count(options: Range<K> & ReadOptions = {}): number {
    const range = rangeBytes(this.scope, options, ' at');
    const moment = momentAt(this.scope, options.at);
    return this.owner.request((w) => wire.encodeCount(w, range, moment), wire.decodeNumber);
  }

  /** Keys with their values, in order. */
  entries(options: ScanOptions<K> = {}): Generator<[K, V], void, void> {
    return this.scan(options, false, entriesOf(this.scope));
  }

  /** Keys, in order. Values are not read. */
  keys(options: ScanOptions<K> = {}): Generator<K, void, void> {
    return this.scan(options, true, keysOf(this.scope));
  }

  /** Values, in the order of their keys. */
  values(options: ScanOptions<K> = {}): Generator<V, void, void> {
    return this.scan(options, false, valuesOf(this.scope));
  }

  /** @internal */
  *scan<T>(
    options: ScanOptions<K>,
    keysOnly: boolean,
    make: MakeOfRecord<T>,
  ): Generator<T, void, void> {
    const raw = rawOptions(this.scope, options, keysOnly);
    const { prefix, moment, reverse, keep, chunkBytes: bytes } = raw;
    let { from, to, limit: left } = raw;
    const view = keep && left > SCAN_RECORDS ? this.owner.nextView() : moment.viewId;
    let more = true;
    try {
      while (more && left > 0) {
        if (options.signal?.aborted) throw aborted(options.signal);
        const limit = Math.min(left, SCAN_RECORDS);
        const request = {
          from, to, prefix, at: moment.at, viewId: view, reverse, keysOnly, limit, bytes,
          keep: keep && view !== undefined,
        };
        const answer = this.owner.request((w) => wire.encodeScan(w, request), wire.decodeScan);
        const { last, records } = answer;
        more = answer.more;
        left -= answer.count;
        if (reverse) to = last;
        else from = after(last);
        while (!records.done) yield records.record(make);
      }
    } finally {
      if (keep && view !== undefined && more) this.owner.closeView(view);
    }
  }
}

/** The store as it was at one moment, for as long as it is held open. */
export class SyncSnapshot<K, V> extends SyncReads<K, V> implements Disposable {
  /** The last commit that is seen. */
  readonly seq: number;

  /** @internal */
  constructor(owner: Owner, scope: Scope<K, V>, view: number, seq: number) {
    super(owner, { ...scope, moment: { viewId: view } });
    this.seq = seq;
  }

  /** Gives it back. */
  close(): void {
    this.owner.closeView(this.scope.moment.viewId ?? 0);
  }

  /** As `close()`. */
  [Symbol.dispose](): void {
    this.close();
  }
}
