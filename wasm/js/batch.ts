/** Writes that are committed together or not at all. */

import { checkOptions, checkWhole, mapList } from './check.js';
import { asTextOf, checkBytes } from './codec.js';
import { refuse } from './error.js';
import type { Part, Scope } from './scope.js';
import { keyBytes, microsOf, scopeIn } from './scope.js';
import { type Durability, LEVELS, type WriteOperation } from './wire.js';

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
  // 0 stands for never in a record, and 1970 is long gone.
  if (expires !== undefined) return microsOf(expires) || 1;
  if (ttl === undefined) return undefined;
  if (typeof ttl !== 'number' || !(ttl > 0)) refuse('ttl must be milliseconds, more than 0');
  return microsOf(new Date(Date.now() + ttl));
}

function condition({ ifAbsent, ifSeq }: ConditionOptions): number | null | undefined {
  if (ifAbsent || ifSeq === 0) return null;
  return ifSeq === undefined ? undefined : checkWhole(ifSeq, 'ifSeq');
}

/** A `set` in bytes. `also`: what else its options may have. */
export function packSet<K, V>(
  scope: Scope<K, V>,
  key: K,
  value: V,
  options: ExpiryOptions & ConditionOptions = {},
  also = '',
): WriteOperation {
  checkOptions(options, `ttl expires ifSeq ifAbsent${also}`);
  return {
    key: keyBytes(scope, key),
    value: checkBytes(scope.values.encode(value)),
    ifSeq: condition(options),
    expires: expiry(options),
  };
}

/** A `delete` in bytes. `also`: what else its options may have. */
export function packDelete<K>(
  scope: Scope<K, any>,
  key: K,
  options: ConditionOptions = {},
  also = '',
): WriteOperation {
  checkOptions(options, `ifSeq ifAbsent${also}`);
  return { key: keyBytes(scope, key), ifSeq: condition(options) };
}

/** The same in bytes of its own: a caller may write into its own before they are committed. */
export function owned(op: WriteOperation): WriteOperation {
  const { key, value } = op;
  return { ...op, key: new Uint8Array(key), value: value && new Uint8Array(value) };
}

const OPERATION = ' type key value';

/** Operations in bytes. */
export function packOperations<K, V>(
  scope: Scope<K, V>,
  operations: readonly Operation<K, V>[],
): WriteOperation[] {
  return mapList(operations, 'operations', (op) => {
    if (op?.type === 'set') return packSet(scope, op.key, op.value, op, OPERATION);
    if (op?.type === 'delete') return packDelete(scope, op.key, op, OPERATION);
    return refuse('an operation has the type `set` or `delete`');
  });
}

/**
 * Keys and values of operations, one behind the other, where all of these set text and say nothing
 * else; undefined for any other ones.
 */
export function textsOf<K, V>(
  { prefix, keys, values }: Scope<K, V>,
  operations: readonly Operation<K, V>[],
): string[] | undefined {
  const [keyText, valueText] = [asTextOf(keys.encode), asTextOf(values.encode)];
  if (!keyText || !valueText || !Array.isArray(operations)) return undefined;
  if (prefix.some((byte) => byte >= 0x80)) return undefined;
  const before = String.fromCharCode(...prefix);
  const texts: string[] = [];
  for (const op of operations as readonly Operation<K, V>[]) {
    for (const name in op) {
      if (name !== 'key' && name !== 'value' && name !== 'type') return undefined;
    }
    if (op?.type !== 'set') return undefined;
    const key = keyText(op.key);
    texts.push(before ? before + key : key, valueText(op.value));
  }
  return texts;
}

/** The level that a caller asked for, if any. */
export function levelOf(durability: Durability | undefined): Durability | undefined {
  if (durability !== undefined && LEVELS.indexOf(durability) < 1) {
    refuse('durability is synced, flushed or buffered');
  }
  return durability;
}

/** The same of options that may have nothing else, but what the caller takes `also`. */
export function commitLevel(options: CommitOptions, also = ''): Durability | undefined {
  return levelOf(checkOptions(options, `durability${also}`).durability);
}

/** How a batch is committed; `Done` is what comes of it, at once or later. */
export type Committer<Done> = (
  ops: readonly WriteOperation[],
  durability: Durability | undefined,
) => Done;

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
    this.#operations.push(owned(packSet(this.#scope, key, value, options)));
    return this;
  }

  /** Deletes a key. */
  delete(key: K, options?: ConditionOptions): this {
    this.#operations.push(owned(packDelete(this.#scope, key, options)));
    return this;
  }

  /** The same batch, its next operations with the keys and codecs of another part of the store. */
  in<K2, V2>(part: Part<K2, V2>): Batch<K2, V2, Done> {
    return new Batch(scopeIn(this.#scope, part), this.#commit, this.#operations);
  }

  /** Commits all of it; the batch is empty after. */
  commit(options: CommitOptions = {}): Done {
    // Checked first: what is refused stays to be committed otherwise.
    const durability = commitLevel(options);
    return this.#commit(this.#operations.splice(0), durability);
  }
}
