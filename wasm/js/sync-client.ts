/**
 * The store with answers at once: the engine runs in this thread, over storage that is
 * synchronous. For Node, and for workers that have a store of their own.
 */

import { type Difference, differenceOf, type Version, versionOf } from './answers.js';
import type { Commit, CommitOptions, DeleteOptions, Operation, SetOptions } from './batch.js';
import { Batch, commitLevel, levelOf, packDelete } from './batch.js';
import { packSet } from './batch.js';
import { checkCount, checkFunction, checkOptions, checkWhole } from './check.js';
import type { CodecOptions } from './codec.js';
import { Engine } from './engine.js';
import { checkEngine, type EngineOptions } from './engine-options.js';
import type { Plan, SegmentInfo, SegmentPage, Stats } from './figures.js';
import { refuse } from './error.js';
import { Owner } from './owner.js';
import { packRetention, type Retention, retentionOf } from './retention.js';
import { keyBytes, partOf, rangeBytes, scopeOf, seqOf, splitOptions } from './scope.js';
import type { Range } from './scope.js';
import type { AsyncStorage } from './storage.js';
import { SyncReads, SyncSnapshot } from './sync-reads.js';
import { type SyncRun, type SyncSource, SyncTransaction } from './sync-transaction.js';
import * as wire from './wire.js';

const PARTS = 1000;
const COMPACT_BYTES = 8 << 20;
/** Options of a `set` that was given none: it is packed as a batch is. */
const PLAIN: SetOptions = {};

/** Refuses what a function gives that has not done its work when it returns. */
function refuseLater(given: unknown, what: string): void {
  if (typeof (given as { then?: unknown } | undefined)?.then !== 'function') return;
  // Whatever becomes of it: what counts is told here.
  Promise.resolve(given).catch(() => {});
  refuse(`the function of ${what} must not be asynchronous`);
}

/** An open store, or the part of one whose keys begin the same, that answers at once. */
export class SiltSync<K = string, V = any> extends SyncReads<K, V> implements Disposable {
  /** Sets a key to a value. */
  set(key: K, value: V, options: SetOptions = PLAIN): Commit {
    if (options === PLAIN) {
      return this.owner.batch(this.scope, [{ type: 'set', key, value }], undefined);
    }
    const operation = packSet(this.scope, key, value, options, ' durability');
    return this.owner.write([operation], levelOf(options.durability));
  }

  /** Deletes a key. One that has no value is fine. */
  delete(key: K, options: DeleteOptions = {}): Commit {
    const operation = packDelete(this.scope, key, options, ' durability');
    return this.owner.write([operation], levelOf(options.durability));
  }

  /** Deletes every key of a range, in one commit; of the whole store or part if none is given. */
  deleteRange(range: Range<K> = {}, options: CommitOptions = {}): Commit & { count: number } {
    const bounds = rangeBytes(this.scope, range);
    const durability = commitLevel(options);
    return this.owner.request(
      (w) => wire.encodeDeleteRange(w, bounds, durability),
      wire.decodeDeleteRange,
    );
  }

  /** A batch to put together. */
  batch(): Batch<K, V, Commit>;
  /** Commits operations together or not at all. */
  batch(operations: readonly Operation<K, V>[], options?: CommitOptions): Commit;
  batch(
    operations?: readonly Operation<K, V>[],
    options: CommitOptions = {},
  ): Batch<K, V, Commit> | Commit {
    if (operations === undefined) {
      return new Batch(this.scope, (ops, durability) => this.owner.write(ops, durability));
    }
    return this.owner.batch(this.scope, operations, commitLevel(options));
  }

  /** Sets a key to what `change` makes of its value, undefined standing for none. */
  update(
    key: K,
    change: (value: V | undefined) => V | undefined,
    options: CommitOptions = {},
  ): V | undefined {
    checkFunction(change, 'change');
    commitLevel(options);
    // Nothing comes between: the engine is this thread's.
    const next = change(this.get(key));
    refuseLater(next, 'an update');
    if (next === undefined) this.delete(key, options);
    else this.set(key, next, options);
    return next;
  }

  /**
   * Runs `body`, which reads through what it is given, and commits what it has written, together;
   * nothing if it throws. Nobody else writes meanwhile; `body` must not wait for anything.
   */
  transaction<T>(body: (tx: SyncTransaction<K, V>) => T, options: CommitOptions = {}): T {
    const { owner, scope } = this;
    checkFunction(body, 'body');
    const durability = commitLevel(options);
    const source: SyncSource = {
      get: (raw) => owner.request((w) => wire.encodeGet(w, raw), wire.decodeGet)?.value,
      scan: (part, asked) => new SyncReads(owner, part).scan(asked, false, wire.packed),
    };
    const run: SyncRun = { source, written: new Map() };
    let result: T;
    try {
      result = body(new SyncTransaction(run, scope));
    } finally {
      run.over = true;
    }
    refuseLater(result, 'a transaction');
    if (run.written.size > 0) this.owner.write([...run.written.values()], durability);
    return result;
  }

  /** The values that a key had, newest first, as far back as the store's retention reaches. */
  history(key: K, options: { limit?: number | undefined } = {}): Version<V>[] {
    const raw = keyBytes(this.scope, key);
    const limit = checkCount(checkOptions(options, 'limit').limit, 0, 'limit');
    return this.owner
      .request((w) => wire.encodeHistory(w, raw, limit), wire.decodeHistory)
      .map((version) => versionOf(this.scope, version));
  }

  /** The keys whose values differ between two moments, in order. */
  diff(from: number | Date, to: number | Date, range: Range<K> = {}): Difference<K, V>[] {
    const { scope } = this;
    const bounds = rangeBytes(scope, range);
    return this.owner
      .request((w) => wire.encodeDiff(w, bounds, seqOf(from), seqOf(to)), wire.decodeDiff)
      .map((difference) => differenceOf(scope, difference));
  }

  /** Holds the store as it is now, or was at a moment, for reading. Close it when it is done. */
  snapshot(at?: number | Date): SyncSnapshot<K, V> {
    const { view, seq } = this.owner.openView(at === undefined ? undefined : seqOf(at));
    return new SyncSnapshot(this.owner, this.scope, view, seq);
  }

  /** The part of the store whose keys begin with `prefix`, which its callers do not see. */
  sub<K2 = string, V2 = V>(
    prefix: string | Uint8Array,
    codecs: CodecOptions<K2, V2> = {},
  ): SiltSync<K2, V2> {
    return new SiltSync<K2, V2>(this.owner, partOf(this.scope, prefix, codecs));
  }

  /** Makes all that was written before safe from power loss; the last commit that is. */
  flush(): number {
    return this.owner.request((w) => wire.encodePlain(w, wire.SYNC), wire.decodeNumber);
  }

  /** Gives the space of what is superseded back. */
  compact(onProgress?: (progress: { done: number; total: number }) => void): void {
    if (onProgress !== undefined) checkFunction(onProgress, 'onProgress');
    for (;;) {
      const { more, done, total } = this.owner.request(
        (w) => wire.encodeCompactStep(w, COMPACT_BYTES),
        wire.decodeCompactStep,
      );
      onProgress?.({ done, total });
      if (!more) return;
    }
  }

  /** What a compaction would do now. */
  compactionPlan(): Plan[] {
    return this.#json(wire.PLAN) as Plan[];
  }

  /** Figures of the store. */
  stats(): Stats {
    return this.#json(wire.STATS) as Stats;
  }

  /** The files that hold the records, oldest first. */
  segments(): SegmentInfo[] {
    return this.#json(wire.SEGMENTS) as SegmentInfo[];
  }

  /**
   * What stands in a segment, part by part, from an offset on: at most about `limit` parts, 1,000
   * unless given. `SILT_NOT_FOUND` if there is no such segment (compaction may have replaced it);
   * `SILT_CORRUPT` at damage, once everything before it was told.
   */
  records(
    segment: number,
    options: { from?: number | undefined; limit?: number | undefined } = {},
  ): SegmentPage {
    const number = checkWhole(segment, 'segment');
    const from = checkCount(checkOptions(options, 'from limit').from, 0, 'from');
    const limit = checkCount(options.limit, PARTS, 'limit');
    return this.owner.request(
      (w) => wire.encodeRecords(w, number, from, limit),
      wire.decodeRecords,
    );
  }

  /**
   * Bytes of a file of the store (its name, or the number of a segment) as they stand there:
   * 64 KiB at most, fewer where the file ends.
   */
  bytes(file: string | number, offset: number, length: number): Uint8Array {
    const [from, count] = [checkWhole(offset, 'offset'), checkWhole(length, 'length')];
    return this.owner.request(
      (w) => wire.encodeBytes(w, String(file), from, count),
      wire.decodeBytes,
    );
  }

  #json(code: number): unknown {
    return this.owner.request((w) => wire.encodePlain(w, code), wire.decodeJson);
  }

  /** Which superseded versions compaction keeps. */
  retention(): Retention {
    return this.owner.request(
      (w) => wire.encodeRetention(w),
      (r) => retentionOf(wire.decodeRetention(r)),
    );
  }

  /** Sets which superseded versions compaction keeps, from now on. */
  setRetention(rule: Retention): void {
    const packed = packRetention(rule);
    this.owner.request((w) => wire.encodeRetention(w, packed), wire.decodeRetention);
  }

  /** A consistent copy of the whole store, the bytes of a `.silt` file, in pieces. */
  exportFile(): Uint8Array<ArrayBuffer>[] {
    return this.owner.pieces();
  }

  /**
   * Waits for what the storage does asynchronously: needed now and then on storage whose files
   * open asynchronously (`SILT_NOT_READY` says when), and to know that IndexedDB has it all.
   */
  async prepare(): Promise<void> {
    await this.owner.prepare();
  }

  /** Closes the store. Storage that ends asynchronously is closed by its owner after this. */
  close(): void {
    this.owner.close();
  }

  /** As `close()`. */
  [Symbol.dispose](): void {
    this.close();
  }
}

/** Opens the store in `storage`; the engine is loaded. */
export function openOver<K, V>(
  storage: AsyncStorage,
  options: EngineOptions & CodecOptions<K, V>,
): SiltSync<K, V> {
  const [codecs, others] = splitOptions(options);
  checkEngine(others);
  const owner = new Owner(Engine.open(storage, others), storage);
  return new SiltSync<K, V>(owner, scopeOf(codecs, owner));
}
