/** Transactions where the engine is in the same thread: nothing comes between. */

import { checkCount } from './check.js';
import type { ScanOptions } from './scan.js';
import type { Part, Scope } from './scope.js';
import { keyBytes, keyOf, rangeBytes, scopeIn } from './scope.js';
import { type TransactionScanOptions, TransactionWrites } from './transaction-writes.js';
import { merging, nameOf, type WritingRun } from './transaction-writes.js';
import type { PackedRecord } from './wire.js';

/** What a transaction reads from. @internal */
export interface SyncSource {
  get(key: Uint8Array): Uint8Array | undefined;
  scan(scope: Scope<any, any>, options: ScanOptions<any>): Iterable<PackedRecord>;
}

/** What the parts of a transaction share. @internal */
export interface SyncRun extends WritingRun {
  readonly source: SyncSource;
}

/** What a transaction's function is given: reads see its own writes. */
export class SyncTransaction<K, V> extends TransactionWrites<K, V, SyncRun> {
  #find(key: K): Uint8Array | undefined {
    const raw = keyBytes(this.scope, key);
    const own = this.run.written.get(nameOf(raw));
    return own ? own.value : this.run.source.get(raw);
  }

  /** The value of a key. */
  get(key: K): V | undefined {
    const found = this.#find(key);
    return found && this.scope.values.decode(found);
  }

  /** Whether a key has a value. */
  has(key: K): boolean {
    return this.#find(key) !== undefined;
  }

  /** The same transaction, with the keys and codecs of another part of the store. */
  in<K2, V2>(part: Part<K2, V2>): SyncTransaction<K2, V2> {
    return new SyncTransaction(this.run, scopeIn(this.scope, part));
  }

  /** Keys with their values, in order. */
  *entries(options: TransactionScanOptions<K> = {}): Generator<[K, V], void, void> {
    const { run, scope } = this;
    const range = rangeBytes(scope, options, ' reverse limit');
    const { limit, ...bounds } = options;
    const most = checkCount(limit, Infinity, 'limit');
    const next = merging(run, range, options.reverse ? -1 : 1);
    const stored = run.source.scan(scope, bounds)[Symbol.iterator]();
    let taken = 0;
    try {
      for (let step = stored.next(); taken < most; ) {
        const record = step.done ? undefined : step.value;
        const { mine, same } = next(record?.key);
        const found = mine ?? record;
        if (!found) break;
        if (same || !mine) step = stored.next();
        if (!found.value) continue;
        taken += 1;
        yield [keyOf(scope, found.key), scope.values.decode(found.value)];
      }
    } finally {
      stored.return?.();
    }
  }
}
