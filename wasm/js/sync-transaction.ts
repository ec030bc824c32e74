/** Transactions where the engine is in the same thread: nothing comes between. */

import type { ExpiryOptions } from './batch.js';
import { packDelete, packSet } from './batch.js';
import type { ScanOptions } from './scan.js';
import type { Range, Scope } from './scope.js';
import { keyBytes, keyOf, rangeBytes } from './scope.js';
import { merging, nameOf } from './transaction.js';
import type { PackedRecord, WriteOperation } from './wire.js';

/** What a transaction reads from. @internal */
export interface SyncSource {
  get(key: Uint8Array): Uint8Array | undefined;
  scan(scope: Scope<any, any>, options: ScanOptions<any>): Iterable<PackedRecord>;
}

/** What the parts of a transaction share. @internal */
export interface SyncRun {
  readonly source: SyncSource;
  readonly written: Map<string, WriteOperation>;
}

/** What a transaction's function is given: reads see its own writes. */
export class SyncTransaction<K, V> {
  readonly #run: SyncRun;
  readonly #scope: Scope<K, V>;

  /** @internal */
  constructor(run: SyncRun, scope: Scope<K, V>) {
    this.#run = run;
    this.#scope = scope;
  }

  #find(key: K): Uint8Array | undefined {
    const raw = keyBytes(this.#scope, key);
    const own = this.#run.written.get(nameOf(raw));
    return own ? own.value : this.#run.source.get(raw);
  }

  /** The value of a key. */
  get(key: K): V | undefined {
    const found = this.#find(key);
    return found && this.#scope.values.decode(found);
  }

  /** Whether a key has a value. */
  has(key: K): boolean {
    return this.#find(key) !== undefined;
  }

  /** Sets a key when the transaction commits. */
  set(key: K, value: V, options?: ExpiryOptions): void {
    this.#write(packSet(this.#scope, key, value, options));
  }

  /** Deletes a key when the transaction commits. */
  delete(key: K): void {
    this.#write(packDelete(this.#scope, key));
  }

  #write(operation: WriteOperation): void {
    this.#run.written.set(nameOf(operation.key), operation);
  }

  /** The same transaction, with the keys and codecs of another part of the store. */
  in<K2, V2>(part: { readonly scope: Scope<K2, V2> }): SyncTransaction<K2, V2> {
    return new SyncTransaction(this.#run, part.scope);
  }

  /** Keys with their values, in order. */
  *entries(
    options: Range<K> & { reverse?: boolean | undefined; limit?: number | undefined } = {},
  ): Generator<[K, V], void, void> {
    const scope = this.#scope;
    const { limit: left, ...bounds } = options;
    const mine = merging(this.#run, rangeBytes(scope, options), options.reverse ? -1 : 1);
    const stored = this.#run.source.scan(scope, bounds)[Symbol.iterator]();
    let taken = 0;
    try {
      for (let step = stored.next(); taken < (left ?? Infinity); ) {
        const record = step.done ? undefined : step.value;
        const { own, same } = mine.next(record?.key);
        const found = own ?? record;
        if (!found) break;
        if (same || !own) step = stored.next();
        if (!found.value) continue;
        taken += 1;
        yield [keyOf(scope, found.key), scope.values.decode(found.value)];
      }
    } finally {
      stored.return?.();
    }
  }
}
