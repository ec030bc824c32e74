/** Optimistic transactions: read at one moment, write at once if nothing read has changed. */

import type { CommitOptions } from './batch.js';
import { commitLevel } from './batch.js';
import { checkCount, checkFunction } from './check.js';
import { refuse, SiltError } from './error.js';
import { CHUNK_BYTES, RawScan, Scan } from './scan.js';
import type { Part, Scope } from './scope.js';
import { after, keyBytes, keyOf, rangeBytes, scopeIn } from './scope.js';
import type { Session } from './session.js';
import { type TransactionScanOptions, TransactionWrites } from './transaction-writes.js';
import { merging, nameOf, type WritingRun } from './transaction-writes.js';
import { pause } from './wait.js';
import type { KeyRange, Moment, RangeCheck, WriteOperation } from './wire.js';
import { decodeGet, encodeGet, packed } from './wire.js';

/** How often to try, and how to commit. */
export interface TransactionOptions extends CommitOptions {
  /** How often it may run again because others wrote what it had read; 20 unless given. */
  retries?: number | undefined;
}

/** What a run of a transaction has read and wants to write; its parts share it. */
class Run implements WritingRun {
  over = false;
  /** By name of the key: that what was read of it is still so. */
  readonly read = new Map<string, WriteOperation>();
  readonly written = new Map<string, WriteOperation>();
  /** Ranges that were read, as far as they were. */
  readonly ranges: KeyRange[] = [];

  constructor(readonly session: Session, readonly moment: Moment) {}

  /** What is to be done if nothing that was read has changed. */
  operations(): WriteOperation[] {
    const { read, written } = this;
    for (const [name, operation] of written) {
      operation.ifSeq = read.get(name)?.ifSeq;
    }
    return [...new Map([...read, ...written]).values()];
  }
}

/** What a transaction's function is given: reads see its own writes. */
export class Transaction<K, V> extends TransactionWrites<K, V, Run> {
  async #find(key: K): Promise<Uint8Array | undefined> {
    const { run } = this;
    const raw = keyBytes(this.scope, key);
    const own = run.written.get(nameOf(raw));
    if (own) return own.value;
    const found = await run.session.request((w) => encodeGet(w, raw, run.moment), decodeGet);
    run.read.set(nameOf(raw), { key: raw, ifSeq: found?.seq ?? null, check: true });
    return found?.value;
  }

  /** The value of a key. */
  async get(key: K): Promise<V | undefined> {
    const found = await this.#find(key);
    return found && this.scope.values.decode(found);
  }

  /** Whether a key has a value. */
  async has(key: K): Promise<boolean> {
    return (await this.#find(key)) !== undefined;
  }

  /** The same transaction, with the keys and codecs of another part of the store. */
  in<K2, V2>(part: Part<K2, V2>): Transaction<K2, V2> {
    return new Transaction(this.run, scopeIn(this.scope, part));
  }

  /**
   * Keys with their values, in order. The commit fails if a key was added to what is read here of
   * the range, changed or deleted meanwhile.
   */
  async *entries(options: TransactionScanOptions<K> = {}): AsyncGenerator<[K, V], void, void> {
    const { run, scope } = this;
    const range = rangeBytes(scope, options, ' reverse limit');
    const reverse = Boolean(options.reverse);
    let left = checkCount(options.limit, Infinity, 'limit');
    if (left === 0) return;
    // As far as it was read, which is nowhere yet.
    const seen: KeyRange = { ...range };
    run.ranges.push(seen);
    const next = merging(run, range, reverse ? -1 : 1);
    const { moment } = run;
    const raw = new RawScan(run.session, { ...range, moment, reverse, keysOnly: false,
      limit: Infinity, chunkBytes: CHUNK_BYTES, keep: false });
    const stored = new Scan(raw, packed);
    try {
      for (let step = await stored.next(); left > 0; ) {
        const { mine, same } = next(step.value?.key);
        const found = mine ?? step.value;
        if (!found) {
          // To its end.
          Object.assign(seen, range);
          break;
        }
        if (reverse) seen.from = found.key;
        else seen.to = after(found.key);
        if (same || !mine) step = await stored.next();
        if (!found.value) continue;
        left -= 1;
        yield [keyOf(scope, found.key), scope.values.decode(found.value)];
      }
    } finally {
      await stored.return();
    }
  }
}

/** Runs a transaction until it commits; see `Silt.transaction`. */
export async function transact<K, V, T>(
  session: Session,
  scope: Scope<K, V>,
  body: (tx: Transaction<K, V>) => Promise<T> | T,
  options: TransactionOptions,
): Promise<T> {
  checkFunction(body, 'body');
  const durability = commitLevel(options, ' retries');
  const { retries = 20 } = options;
  if (!(retries >= 0)) refuse('retries must be a number');
  for (let tried = 0; ; tried += 1) {
    const { moment, seq } = session.openView();
    seq.catch(() => {});
    const run = new Run(session, moment);
    let result: T;
    try {
      result = await body(new Transaction(run, scope));
    } finally {
      run.over = true;
      session.closeView(moment).catch(() => {});
    }
    const since = await seq;
    if (run.written.size === 0) return result;
    const operations = run.operations();
    const checks: RangeCheck[] = run.ranges.map((range) => ({ ...range, since }));
    try {
      await session.requestWrite(operations, durability, checks);
      return result;
    } catch (error) {
      if ((error as SiltError).code !== 'SILT_CONDITION_FAILED') throw error;
      if (tried >= retries) {
        const what = `others wrote what it read, ${tried + 1} times`;
        throw new SiltError('SILT_CONFLICT', what, { cause: error });
      }
    }
    // Whoever met the same one goes on at another time.
    await pause(Math.random() * Math.min(50, 2 ** tried));
  }
}
