/** Optimistic transactions: read at one moment, write at once if nothing read has changed. */

import type { CommitOptions, Commit, ExpiryOptions } from './batch.js';
import { levelOf, packDelete, packSet } from './batch.js';
import { SiltError } from './error.js';
import type { ScanOptions } from './scan.js';
import { RawScan, rawOptions } from './scan.js';
import type { Scope } from './scope.js';
import { after, compare, keyBytes, keyOf, rangeBytes } from './scope.js';
import type { Session } from './session.js';
import { pause } from './wait.js';
import type { KeyRange, Moment, PackedRecord, RangeCheck, WriteOperation } from './wire.js';
import { decodeGet, decodeWrite, encodeGet, encodeWrite } from './wire.js';

/** How often to try, and how to commit. */
export interface TransactionOptions extends CommitOptions {
  /** How often it may run again because others wrote what it had read; 20 unless given. */
  retries?: number | undefined;
}

/** Bytes of a key as a string, to find it in a map. */
export function nameOf(raw: Uint8Array): string {
  let name = '';
  for (const byte of raw) name += String.fromCharCode(byte);
  return name;
}

function within(range: KeyRange, key: Uint8Array): boolean {
  const { from, to, prefix } = range;
  return !(from && compare(key, from) < 0) && !(to && compare(key, to) >= 0)
    && !(prefix && compare(key.subarray(0, prefix.length), prefix) !== 0);
}

/** What a run of a transaction has read and wants to write; its parts share it. */
class Run {
  /** Seq by key that was read, null if the key was absent. */
  readonly read = new Map<string, { key: Uint8Array; seq: number | null }>();
  readonly written = new Map<string, WriteOperation>();
  /** Ranges that were read, as far as they were. */
  readonly ranges: KeyRange[] = [];

  constructor(readonly session: Session, readonly moment: Moment) {}

  note(key: Uint8Array, seq: number | null): void {
    this.read.set(nameOf(key), { key, seq });
  }

  operations(): WriteOperation[] {
    const checks: WriteOperation[] = [];
    for (const [name, { key, seq }] of this.read) {
      const operation = this.written.get(name);
      if (operation) operation.ifSeq = seq;
      else checks.push({ key, ifSeq: seq, check: true });
    }
    return [...this.written.values(), ...checks];
  }
}

/** What a transaction's function is given: reads see its own writes. */
export class Transaction<K, V> {
  readonly #run: Run;
  readonly #scope: Scope<K, V>;

  /** @internal */
  constructor(run: Run, scope: Scope<K, V>) {
    this.#run = run;
    this.#scope = scope;
  }

  /** The value of a key. */
  async get(key: K): Promise<V | undefined> {
    const run = this.#run;
    const { values } = this.#scope;
    const raw = keyBytes(this.#scope, key);
    const own = run.written.get(nameOf(raw));
    if (own) return own.value && values.decode(own.value);
    const found = await run.session.request((w) => encodeGet(w, raw, run.moment), decodeGet);
    run.note(raw, found?.seq ?? null);
    return found && values.decode(found.value);
  }

  /** Whether a key has a value. */
  async has(key: K): Promise<boolean> {
    const raw = keyBytes(this.#scope, key);
    const own = this.#run.written.get(nameOf(raw));
    return own ? own.value !== undefined : (await this.get(key)) !== undefined;
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
  in<K2, V2>(part: { readonly scope: Scope<K2, V2> }): Transaction<K2, V2> {
    return new Transaction(this.#run, part.scope);
  }

  /**
   * Keys with their values, in order. The commit fails if a key was added to what is read here of
   * the range, changed or deleted meanwhile.
   */
  async *entries(options: Omit<ScanOptions<K>, 'at'> = {}): AsyncGenerator<[K, V], void, void> {
    const scope = this.#scope;
    const run = this.#run;
    const order = options.reverse ? -1 : 1;
    const range = rangeBytes(scope, options);
    // Nothing of it is read yet.
    const seen: KeyRange = { ...range };
    const edge = (key: Uint8Array) => {
      if (order > 0) seen.to = after(key);
      else seen.from = key;
    };
    let begun = false;
    const mine = merging(run, range, order);
    let left = options.limit ?? Infinity;
    const pair = (key: Uint8Array, value: Uint8Array): [K, V] =>
      [keyOf(scope, key), scope.values.decode(value)];
    const stored = records(run, { ...rawOptions(scope, options, false), limit: Infinity });
    try {
      for (let step = await stored.next(); left > 0; ) {
        const record = step.done ? undefined : step.value;
        const { own, same } = mine.next(record?.key);
        const key = own?.key ?? record?.key;
        if (!begun) run.ranges.push(seen);
        begun = true;
        if (!key) {
          // To its end.
          Object.assign(seen, { from: range.from, to: range.to });
          break;
        }
        edge(key);
        if (own) {
          if (same) step = await stored.next();
          if (!own.value) continue;
          yield pair(own.key, own.value);
        } else if (record) {
          yield pair(record.key, record.value);
          step = await stored.next();
        }
        left -= 1;
      }
    } finally {
      await stored.return();
    }
  }
}

/** What a transaction has written in a range, to be merged with what is stored there. */
export function merging(
  run: { readonly written: Map<string, WriteOperation> },
  range: KeyRange,
  order: number,
): { next(stored: Uint8Array | undefined): { own: WriteOperation | undefined; same: boolean } } {
  const own = [...run.written.values()]
    .filter(({ key }) => within(range, key))
    .sort((a, b) => compare(a.key, b.key) * order);
  let at = 0;
  return {
    /** What was written before the next stored key or in its place. */
    next(stored) {
      const mine = own[at];
      const sign = !mine ? 1 : !stored ? -1 : compare(mine.key, stored) * order;
      if (!mine || sign > 0) return { own: undefined, same: false };
      at += 1;
      return { own: mine, same: sign === 0 };
    },
  };
}

async function* records(
  run: Run,
  options: ReturnType<typeof rawOptions>,
): AsyncGenerator<PackedRecord, void, void> {
  const scan = new RawScan(run.session, { ...options, moment: run.moment, keep: false });
  try {
    for (let chunk = await scan.chunk(); chunk.length > 0; chunk = await scan.chunk()) yield* chunk;
  } finally {
    scan.close();
  }
}

/** Runs a transaction until it commits; see `Silt.transaction`. */
export async function transact<K, V, T>(
  session: Session,
  scope: Scope<K, V>,
  body: (tx: Transaction<K, V>) => Promise<T> | T,
  options: TransactionOptions,
): Promise<{ result: T; commit: Commit | undefined }> {
  const retries = options.retries ?? 20;
  const durability = levelOf(options);
  for (let tried = 0; ; tried += 1) {
    const { moment, seq } = session.openView();
    seq.catch(() => {});
    const run = new Run(session, moment);
    let result: T;
    try {
      result = await body(new Transaction(run, scope));
    } finally {
      session.closeView(moment).catch(() => {});
    }
    if (run.written.size === 0) return { result, commit: undefined };
    const operations = run.operations();
    const since = await seq;
    const checks: RangeCheck[] = run.ranges.map((range) => ({ ...range, since }));
    try {
      const commit = await session.request(
        (w) => encodeWrite(w, operations, durability, checks),
        decodeWrite,
      );
      return { result, commit };
    } catch (error) {
      if ((error as SiltError).code !== 'SILT_CONDITION_FAILED') throw error;
      if (tried >= retries) {
        const times = `${tried + 1} times`;
        throw new SiltError('SILT_CONFLICT', `others wrote what the transaction read, ${times}`, {
          cause: error,
        });
      }
    }
    // Whoever met the same one goes on at another time.
    await pause(Math.random() * Math.min(50, 2 ** tried));
  }
}
