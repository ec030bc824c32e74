/** Writes that are committed together or not at all. */

import { refuse } from './codec.js';
import type { Scope } from './scope.js';
import { checkOptions, keyBytes, microsOf } from './scope.js';
import { type Durability, LEVELS, type WriteOperation, type Written } from './wire.js';

/** How a write is done. */
export interface CommitOptions {
  /**
   * What `await` waits for: `buffered`, in memory; `flushed`, safe from the death of the tab or
   * browser; `synced`, safe from power loss. The store's own unless given.
   */
  durability?: Durability | undefined;
}

/** When a value expires. */
export interface ExpiryOptions {
  /** Milliseconds from now until the key is gone. */
  ttl?: number | undefined;
  /** The moment the key is gone. */
  expires?: Date | undefined;
}

/** What must hold for a key, or nothing of the batch is written: `SILT_CONDITION_FAILED`. */
export interface ConditionOptions {
  /** The key has no value. */
  ifAbsent?: boolean | undefined;
  /** The value of the key has this seq; 0 if the key has none. */
  ifSeq?: number | undefined;
}

/** Options of `set`. */
export interface SetOptions extends CommitOptions, ExpiryOptions, ConditionOptions {}

/** Options of `delete`. */
export interface DeleteOptions extends CommitOptions, ConditionOptions {}

/** What a write has reached. */
export interface Commit {
  /** Its number and time: microseconds since 1970. */
  seq: number;
  /** The level of durability that it has. */
  durability: Durability;
  /** False if every value was the newest already, in a store that skips such writes. */
  written: boolean;
}

/** One operation of a batch. */
export type Operation<K, V> =
  | ({ type: 'set'; key: K; value: V } & ExpiryOptions & ConditionOptions)
  | ({ type: 'delete'; key: K } & ConditionOptions);

function expiry({ expires, ttl }: ExpiryOptions): number | undefined {
  if (expires) return microsOf(expires);
  if (ttl === undefined) return undefined;
  if (!(ttl > 0)) refuse('ttl must be milliseconds, more than 0');
  return microsOf(new Date(Date.now() + ttl));
}

function condition(options: ConditionOptions): number | null | undefined {
  checkOptions(options, 'durability ttl expires ifSeq ifAbsent type key value');
  if (options.ifAbsent || options.ifSeq === 0) return null;
  return options.ifSeq;
}

/** A `set` in bytes. */
export function packSet<K, V>(
  scope: Scope<K, V>,
  key: K,
  value: V,
  options: ExpiryOptions & ConditionOptions = {},
): WriteOperation {
  return {
    key: keyBytes(scope, key),
    value: scope.values.encode(value),
    ifSeq: condition(options),
    expires: expiry(options),
  };
}

/** A `delete` in bytes. */
export function packDelete<K>(
  scope: Scope<K, any>,
  key: K,
  options: ConditionOptions = {},
): WriteOperation {
  return { key: keyBytes(scope, key), ifSeq: condition(options) };
}

/** An operation in bytes. */
export function packOperation<K, V>(scope: Scope<K, V>, op: Operation<K, V>): WriteOperation {
  if (op?.type === 'set') return packSet(scope, op.key, op.value, op);
  if (op?.type === 'delete') return packDelete(scope, op.key, op);
  return refuse('an operation has the type `set` or `delete`');
}

/** The level that a caller asked for, if any. */
export function levelOf({ durability }: CommitOptions): Durability | undefined {
  if (durability !== undefined && LEVELS.indexOf(durability) < 1) {
    refuse('durability is `synced`, `flushed` or `buffered`');
  }
  return durability;
}

/** The part of an answer that callers see. */
export function commitOf({ seq, durability, written }: Written): Commit {
  return { seq, durability, written };
}

/** How a batch is committed; `Done` is what comes of it, at once or later. */
export type Committer<Done> = (ops: readonly WriteOperation[], options: CommitOptions) => Done;

/**
 * A batch that is put together step by step. Operations may go to different parts of one store;
 * of several for one key the last one counts. Conditions see the store as it is before.
 */
export class Batch<K, V, Done = Promise<Commit>> {
  readonly #scope: Scope<K, V>;
  readonly #operations: WriteOperation[];
  readonly #commit: Committer<Done>;

  /** @internal */
  constructor(scope: Scope<K, V>, commit: Committer<Done>, operations: WriteOperation[] = []) {
    this.#scope = scope;
    this.#commit = commit;
    this.#operations = operations;
  }

  /** How many operations it has. */
  get size(): number {
    return this.#operations.length;
  }

  /** Sets a key. */
  set(key: K, value: V, options?: ExpiryOptions & ConditionOptions): this {
    this.#operations.push(packSet(this.#scope, key, value, options));
    return this;
  }

  /** Deletes a key. */
  delete(key: K, options?: ConditionOptions): this {
    this.#operations.push(packDelete(this.#scope, key, options));
    return this;
  }

  /** The same batch, its next operations with the keys and codecs of another part of the store. */
  in<K2, V2>(part: { readonly scope: Scope<K2, V2> }): Batch<K2, V2, Done> {
    return new Batch(part.scope, this.#commit, this.#operations);
  }

  /** Commits all of it; the batch is empty after. */
  commit(options: CommitOptions = {}): Done {
    return this.#commit(this.#operations.splice(0), options);
  }
}
