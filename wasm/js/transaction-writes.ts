/** What both kinds of transactions write, kept until they commit, and seen by their reads. */

import type { ExpiryOptions } from './batch.js';
import { owned, packDelete, packSet } from './batch.js';
import { checkOptions } from './check.js';
import { refuse } from './error.js';
import type { Range, Scope } from './scope.js';
import { compare, within } from './scope.js';
import type { KeyRange, WriteOperation } from './wire.js';

/** What the parts of a transaction share of its writes. */
export interface WritingRun {
  /** By name of the key. */
  readonly written: Map<string, WriteOperation>;
  /** It was committed or given up: what is written now would be lost. */
  over?: boolean;
}

/** What a transaction reads of a range, and in which order. */
export interface TransactionScanOptions<K> extends Range<K> {
  /** From the last key to the first. */
  reverse?: boolean | undefined;
  /** At most so many records. */
  limit?: number | undefined;
}

/** Bytes of a key as a string, to find it in a map. */
export function nameOf(raw: Uint8Array): string {
  let name = '';
  for (const byte of raw) name += String.fromCharCode(byte);
  return name;
}

/** The verbs that write. */
export abstract class TransactionWrites<K, V, Run extends WritingRun> {
  readonly #run: Run;
  /** @internal */
  readonly scope: Scope<K, V>;

  /** @internal */
  constructor(run: Run, scope: Scope<K, V>) {
    this.#run = run;
    this.scope = scope;
  }

  /** What goes on. @internal */
  protected get run(): Run {
    if (this.#run.over) refuse('the transaction is over');
    return this.#run;
  }

  /** Sets a key when the transaction commits. */
  set(key: K, value: V, options: ExpiryOptions = {}): void {
    checkOptions(options, 'ttl expires');
    this.#write(packSet(this.scope, key, value, options));
  }

  /** Deletes a key when the transaction commits. */
  delete(key: K): void {
    this.#write(packDelete(this.scope, key));
  }

  #write(operation: WriteOperation): void {
    this.run.written.set(nameOf(operation.key), owned(operation));
  }
}

/**
 * What a transaction has written in a range, to be merged with what is stored there: each call
 * gives what was written before the next stored key or in its place.
 */
export function merging(
  run: WritingRun,
  range: KeyRange,
  order: number,
): (stored: Uint8Array | undefined) => { mine?: WriteOperation; same?: boolean } {
  const own = [...run.written.values()]
    .filter(({ key }) => within(range, key))
    .sort((a, b) => compare(a.key, b.key) * order);
  let at = 0;
  return (stored) => {
    const mine = own[at];
    const sign = mine && stored ? compare(mine.key, stored) * order : -1;
    if (!mine || sign > 0) return {};
    at += 1;
    return { mine, same: sign === 0 };
  };
}
