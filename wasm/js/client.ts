/** The store as a program sees it. */

import { type Difference, differenceOf, type Version, versionOf } from './answers.js';
import type { Commit, CommitOptions, DeleteOptions, Operation, SetOptions } from './batch.js';
import { Batch, commitLevel, levelOf, packDelete } from './batch.js';
import { packSet } from './batch.js';
import { checkCount, checkFunction, checkOptions, checkWhole } from './check.js';
import type { CodecOptions } from './codec.js';
import type { Info, Plan, SegmentInfo, SegmentPage, Stats, StorageInfo } from './figures.js';
import { compactStore, readStorage } from './maintain.js';
import type { CompactOptions, CompactReport } from './maintain.js';
import { Reads, Snapshot } from './reads.js';
import { packRetention, type Retention, retentionOf } from './retention.js';
import type { Range } from './scope.js';
import { after, keyBytes, partOf, rangeBytes, scopeOf, seqOf, type Scope } from './scope.js';
import type { Session } from './session.js';
import type { Transaction, TransactionOptions } from './transaction.js';
import { transact } from './transaction.js';
import type { ChannelEvent } from './transport.js';
import { type Change, type WatchOptions, watch } from './watch.js';
import * as wire from './wire.js';

const DIFF_RECORDS = 2048;
const PARTS = 1000;

/**
 * An open store, or the part of one whose keys begin the same.
 *
 * Calls of one turn travel in one message, and are done in the order they are made.
 */
export class Silt<K = string, V = any> extends Reads<K, V> implements AsyncDisposable {
  /** What the store stands on. */
  readonly info: Info;

  /** @internal */
  constructor(session: Session, scope: Scope<K, V>, info: Info) {
    super(session, scope);
    this.info = info;
  }

  /** Sets a key to a value. Resolves when the commit is as durable as was asked for. */
  async set(key: K, value: V, options: SetOptions = {}): Promise<Commit> {
    const operation = packSet(this.scope, key, value, options, ' durability');
    return this.session.requestWrite([operation], levelOf(options.durability));
  }

  /** Deletes a key. One that has no value is fine. */
  async delete(key: K, options: DeleteOptions = {}): Promise<Commit> {
    const operation = packDelete(this.scope, key, options, ' durability');
    return this.session.requestWrite([operation], levelOf(options.durability));
  }

  /** Deletes every key of a range, in one commit; of the whole store or part if none is given. */
  async deleteRange(
    range: Range<K> = {},
    options: CommitOptions = {},
  ): Promise<Commit & { count: number }> {
    const bounds = rangeBytes(this.scope, range);
    const durability = commitLevel(options);
    return this.session.request(
      (w) => wire.encodeDeleteRange(w, bounds, durability),
      wire.decodeDeleteRange,
    );
  }

  /** A batch to put together. */
  batch(): Batch<K, V>;
  /** Commits operations together or not at all. */
  batch(operations: readonly Operation<K, V>[], options?: CommitOptions): Promise<Commit>;
  batch(
    operations?: readonly Operation<K, V>[],
    options: CommitOptions = {},
  ): Batch<K, V> | Promise<Commit> {
    if (operations === undefined) {
      return new Batch(this.scope, (ops, durability) => this.session.requestWrite(ops, durability));
    }
    return this.session.requestBatch(this.scope, operations, options);
  }

  /**
   * Sets a key to what `change` makes of its value, undefined standing for none; `change` runs
   * again when another write comes between.
   */
  async update(
    key: K,
    change: (value: V | undefined) => V | undefined | Promise<V | undefined>,
    options: TransactionOptions = {},
  ): Promise<V | undefined> {
    checkFunction(change, 'change');
    return this.transaction(async (tx) => {
      const next = await change(await tx.get(key));
      if (next === undefined) tx.delete(key);
      else tx.set(key, next);
      return next;
    }, options);
  }

  /**
   * Runs `body` on the store as it is at one moment, and commits what it writes if nothing that
   * it read was written by others meanwhile; otherwise it runs again. `SILT_CONFLICT` when the
   * retries are used up.
   */
  async transaction<T>(
    body: (tx: Transaction<K, V>) => Promise<T> | T,
    options: TransactionOptions = {},
  ): Promise<T> {
    return transact(this.session, this.scope, body, options);
  }

  /** The values that a key had, newest first, as far back as the store's retention reaches. */
  async history(key: K, options: { limit?: number | undefined } = {}): Promise<Version<V>[]> {
    const raw = keyBytes(this.scope, key);
    const limit = checkCount(checkOptions(options, 'limit').limit, 0, 'limit');
    return this.session.request(
      (w) => wire.encodeHistory(w, raw, limit),
      (r) => wire.decodeHistory(r).map((version) => versionOf(this.scope, version)),
    );
  }

  /** The keys whose values differ between two moments, in order. */
  async *diff(
    from: number | Date,
    to: number | Date,
    range: Range<K> = {},
  ): AsyncGenerator<Difference<K, V>, void, void> {
    const { scope } = this;
    const bounds = rangeBytes(scope, range);
    const [first, second] = [seqOf(from), seqOf(to)];
    for (;;) {
      const found = await this.session.request(
        (w) => wire.encodeDiff(w, bounds, first, second, DIFF_RECORDS),
        wire.decodeDiff,
      );
      for (const difference of found) yield differenceOf(scope, difference);
      const last = found.at(-1)?.key;
      if (!last || found.length < DIFF_RECORDS) return;
      bounds.from = after(last);
    }
  }

  /** Holds the store as it is now, or was at a moment, for reading. Close it when it is done. */
  async snapshot(at?: number | Date): Promise<Snapshot<K, V>> {
    const { moment, seq } = this.session.openView(at === undefined ? undefined : seqOf(at));
    return new Snapshot(this.session, this.scope, moment, await seq);
  }

  /**
   * Changes of this tab and all others, as they are committed; with `since`, from there on, also
   * what happened while nobody watched. Ends when the store is closed.
   */
  watch(options: WatchOptions<K> = {}): AsyncGenerator<Change<K, V>, void, void> {
    return watch(this.session, this.scope, options);
  }

  /** The part of the store whose keys begin with `prefix`, which its callers do not see. */
  sub<K2 = string, V2 = V>(
    prefix: string | Uint8Array,
    codecs: CodecOptions<K2, V2> = {},
  ): Silt<K2, V2> {
    return new Silt<K2, V2>(this.session, partOf(this.scope, prefix, codecs), this.info);
  }

  /** Makes all that was written before safe from power loss; the last commit that is. */
  async flush(): Promise<number> {
    return this.session.request((w) => wire.encodePlain(w, wire.SYNC), wire.decodeNumber);
  }

  /** Gives the space of what is superseded back. Reads and writes go on meanwhile. */
  async compact(options: CompactOptions = {}): Promise<CompactReport> {
    return compactStore(this.session, options);
  }

  /** What a compaction would do now. */
  async compactionPlan(): Promise<Plan[]> {
    return this.#json(wire.PLAN) as Promise<Plan[]>;
  }

  /** Figures of the store. */
  async stats(): Promise<Stats> {
    return this.#json(wire.STATS) as Promise<Stats>;
  }

  /** The files that hold the records, oldest first. */
  async segments(): Promise<SegmentInfo[]> {
    return this.#json(wire.SEGMENTS) as Promise<SegmentInfo[]>;
  }

  /**
   * What stands in a segment, part by part, from an offset on: at most about `limit` parts, 1,000
   * unless given. `SILT_NOT_FOUND` if there is no such segment (compaction may have replaced it);
   * `SILT_CORRUPT` at damage, once everything before it was told.
   */
  async records(
    segment: number,
    options: { from?: number | undefined; limit?: number | undefined } = {},
  ): Promise<SegmentPage> {
    const number = checkWhole(segment, 'segment');
    const from = checkCount(checkOptions(options, 'from limit').from, 0, 'from');
    const limit = checkCount(options.limit, PARTS, 'limit');
    return this.session.request(
      (w) => wire.encodeRecords(w, number, from, limit),
      wire.decodeRecords,
    );
  }

  /**
   * Bytes of a file of the store (its name, or the number of a segment) as they stand there:
   * 64 KiB at most, fewer where the file ends.
   */
  async bytes(file: string | number, offset: number, length: number): Promise<Uint8Array> {
    const name = `${file}`;
    const [from, count] = [checkWhole(offset, 'offset'), checkWhole(length, 'length')];
    return this.session.request((w) => wire.encodeBytes(w, name, from, count), wire.decodeBytes);
  }

  #json(code: number): Promise<unknown> {
    return this.session.request((w) => wire.encodePlain(w, code), wire.decodeJson);
  }

  /** Which superseded versions compaction keeps. */
  async retention(): Promise<Retention> {
    return this.session.request(
      (w) => wire.encodeRetention(w),
      (r) => retentionOf(wire.decodeRetention(r)),
    );
  }

  /** Sets which superseded versions compaction keeps, from now on. */
  async setRetention(rule: Retention): Promise<void> {
    const packed = packRetention(rule);
    await this.session.request((w) => wire.encodeRetention(w, packed), wire.decodeRetention);
  }

  /** What the browser lets the site store, and whether it may throw it away. */
  async storage(): Promise<StorageInfo> {
    return readStorage(this.session);
  }

  /** Asks the browser not to throw the site's data away when space is short. */
  async persist(): Promise<boolean> {
    const persisted = await globalThis.navigator?.storage?.persist?.();
    return persisted ?? ((await this.session.call('persist')) as boolean);
  }

  /** A consistent copy of the whole store in one `.silt` file, which every home can restore. */
  async exportFile(): Promise<Blob> {
    return this.session.call('export') as Promise<Blob>;
  }

  /** Listens to what happens to the store: commits, change of role, fallback, closing. */
  onEvent(listen: (event: ChannelEvent) => void): () => void {
    checkFunction(listen, 'listen');
    return this.session.onEvent(listen);
  }

  /** Closes the store, its parts included, after all that was asked for before. */
  async close(): Promise<void> {
    await this.session.close();
  }

  /** As `close()`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** The store at the other end of a conversation. */
export async function attach<K, V>(
  session: Session,
  codecs: CodecOptions<K, V>,
): Promise<Silt<K, V>> {
  const info = (await session.call('info')) as Info;
  const live: { -readonly [F in keyof Info]: Info[F] } = { ...info };
  session.onEvent((event) => {
    if (event.type === 'role') live.role = event.role;
  });
  return new Silt(session, scopeOf(codecs, session), live);
}
