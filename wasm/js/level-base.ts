/** A store as an abstract-level database: everything but how it is reached. */

import {
  AbstractIterator,
  AbstractKeyIterator,
  AbstractLevel,
  AbstractSnapshot,
  AbstractValueIterator,
  type AbstractDatabaseOptions,
} from 'abstract-level';
import { levelOf } from './batch.js';
import { SiltError } from './error.js';
import { CHUNK_BYTES, RawScan, type RawScanOptions } from './scan.js';
import { after, tighter } from './scope.js';
import type { LocalSession } from './local-session.js';
import type { Session } from './session.js';
import * as wire from './wire.js';

/** Level has an empty key, the store has not: it and keys that begin with 0 get a 0 before. */
function toStore(key: Uint8Array): Uint8Array {
  if (key.length > 0 && key[0] !== 0) return key;
  const moved = new Uint8Array(key.length + 1);
  moved.set(key, 1);
  return moved;
}

function fromStore(key: Uint8Array): Uint8Array {
  return key.slice(key[0] === 0 ? 1 : 0);
}

interface RangeOptions {
  gt?: Uint8Array;
  gte?: Uint8Array;
  lt?: Uint8Array;
  lte?: Uint8Array;
  reverse?: boolean;
  limit?: number;
  snapshot?: SiltLevelSnapshot;
}

interface WriteOptions {
  durability?: wire.Durability;
  /** As in classic-level: safe from power loss. */
  sync?: boolean;
}

type Operation =
  | { type: 'put'; key: Uint8Array; value: Uint8Array }
  | { type: 'del'; key: Uint8Array };

function bounds({ gt, gte, lt, lte }: RangeOptions): wire.KeyRange {
  const from = gte !== undefined ? toStore(gte) : gt !== undefined ? after(toStore(gt)) : undefined;
  const to = lte !== undefined ? after(toStore(lte)) : lt !== undefined ? toStore(lt) : undefined;
  return { from, to };
}

function durabilityOf(options: WriteOptions): wire.Durability | undefined {
  return levelOf(options.durability) ?? (options.sync === true ? 'synced' : undefined);
}

function momentOf(options: { snapshot?: SiltLevelSnapshot }): wire.Moment {
  return options.snapshot?.moment ?? {};
}

/** The types leave the argument of the constructor out. */
const Base = AbstractSnapshot as unknown as new (options: object) => AbstractSnapshot;

/** A snapshot: the view is asked for at once, so what is written later is not in it. */
class SiltLevelSnapshot extends Base {
  readonly moment: wire.Moment;
  readonly #session: Session;

  constructor(session: Session, options: object) {
    super(options);
    this.#session = session;
    const { moment, seq } = session.openView();
    this.moment = moment;
    // Whoever reads through it hears of a failure.
    seq.catch(() => {});
  }

  async _close(): Promise<void> {
    await this.#session.closeView(this.moment);
  }
}

/** What the three kinds of iterators share: records of a range, seen at one moment. */
class Cursor {
  readonly #options: RawScanOptions;
  #scan: RawScan;
  readonly #session: Session;
  readonly #own: wire.Moment | undefined;
  #records = wire.NONE;

  constructor(session: Session, options: RangeOptions, keysOnly: boolean) {
    this.#session = session;
    let moment = momentOf(options);
    if (moment.view === undefined) {
      const opened = session.openView();
      opened.seq.catch(() => {});
      this.#own = moment = opened.moment;
    }
    const limit = options.limit ?? -1;
    this.#options = {
      ...bounds(options),
      moment,
      reverse: options.reverse === true,
      keysOnly,
      limit: limit < 0 ? Infinity : limit,
      chunkBytes: CHUNK_BYTES,
      keep: false,
    };
    this.#scan = new RawScan(session, { ...this.#options });
  }

  async next(): Promise<wire.PackedRecord | undefined> {
    if (this.#records.done) this.#records = await this.#scan.chunk();
    return this.#records.done ? undefined : this.#records.record(wire.packed);
  }

  async nextv<T>(size: number, item: (record: wire.PackedRecord) => T): Promise<T[]> {
    const items: T[] = [];
    while (items.length < size) {
      if (this.#records.done) this.#records = await this.#scan.chunk();
      if (this.#records.done) break;
      items.push(item(this.#records.record(wire.packed)));
    }
    return items;
  }

  seek(target: Uint8Array): void {
    this.#records = wire.NONE;
    this.#scan.close();
    const key = toStore(target);
    const range = { ...this.#options };
    if (range.reverse) range.to = tighter(range.to, after(key), -1);
    else range.from = tighter(range.from, key, 1);
    // Level itself counts up to the limit.
    this.#scan = new RawScan(this.#session, range);
  }

  async close(): Promise<void> {
    this.#records = wire.NONE;
    this.#scan.close();
    if (this.#own !== undefined) await this.#session.closeView(this.#own);
  }
}

type Make = new (...args: any[]) => any;

/** One kind of iterator over a {@link Cursor}. */
function over<Base extends Make>(
  base: Base,
  keysOnly: (options: any) => boolean,
  item: (record: wire.PackedRecord) => unknown,
) {
  return class extends base {
    readonly #cursor: Cursor;

    constructor(...args: any[]) {
      super(args[0], args[1]);
      this.#cursor = new Cursor(args[2] as Session, args[1], keysOnly(args[1]));
    }

    async _next(): Promise<unknown> {
      const record = await this.#cursor.next();
      return record && item(record);
    }

    async _nextv(size: number): Promise<unknown[]> {
      return this.#cursor.nextv(size, item);
    }

    _seek(target: Uint8Array): void {
      this.#cursor.seek(target);
    }

    async _close(): Promise<void> {
      await this.#cursor.close();
    }
  };
}

const Entries = /* @__PURE__ */ over(
  AbstractIterator as unknown as Make,
  (options: { values?: boolean }) => options.values === false,
  ({ key, value }) => [fromStore(key), value.slice()],
);
const Keys = /* @__PURE__ */ over(AbstractKeyIterator as unknown as Make, () => true,
  ({ key }) => fromStore(key));
const Values = /* @__PURE__ */ over(AbstractValueIterator as unknown as Make, () => false,
  ({ value }) => value.slice());

/** Options of the database: those of `open` and those of abstract-level. */
export type SiltLevelOptions<Open, K, V> = Open & AbstractDatabaseOptions<K, V>;

/** An abstract-level database on a store; the entries add how the store is reached. */
export abstract class SiltLevelBase<Open extends object, K, V> extends AbstractLevel<
  Uint8Array,
  K,
  V
> {
  /** The name or directory of the store. */
  readonly location: string;
  /** Options of the store that are not for hooks to see. */
  readonly #own: { backend?: string; durability?: wire.Durability };
  #session: Session | undefined;

  /** @internal */
  constructor(
    location: string,
    options: SiltLevelOptions<Open, K, V> | undefined,
    manifest: { getSync?: boolean } = {},
  ) {
    const { backend, durability, ...others } =
      (options ?? {}) as { backend?: string; durability?: wire.Durability };
    super({
      encodings: { view: true },
      explicitSnapshots: true,
      implicitSnapshots: true,
      has: true,
      seek: true,
      createIfMissing: true,
      // What is in memory is gone once it is closed, and never exists.
      errorIfExists: backend !== 'memory',
      permanence: backend !== 'memory',
      signals: { iterators: false },
      ...manifest,
    } as never, others as AbstractDatabaseOptions<K, V>);
    this.location = location;
    this.#own = { ...(backend && { backend }), ...(durability && { durability }) };
  }

  /** Reaches the store. @internal */
  protected abstract reach(location: string, options: object): Promise<Session>;

  get #open(): Session {
    return this.#session as Session;
  }

  /** @internal */
  async _open(
    options: { createIfMissing: boolean; errorIfExists: boolean; passive?: boolean },
  ): Promise<void> {
    const { createIfMissing, errorIfExists, passive: _, ...others } = options;
    const reach = (create: boolean) =>
      this.reach(this.location, { ...others, ...this.#own, create });
    try {
      const session = await reach(createIfMissing && !errorIfExists);
      if (errorIfExists) {
        await session.close();
        throw new SiltError('SILT_ALREADY_EXISTS', `${this.location} exists`);
      }
      this.#session = session;
    } catch (error) {
      if ((error as SiltError).code !== 'SILT_NO_STORE') throw error;
      if (!createIfMissing) {
        throw new SiltError('SILT_NO_STORE', `${this.location} does not exist`, { cause: error });
      }
      this.#session = await reach(true);
    }
  }

  /** @internal */
  async _close(): Promise<void> {
    await this.#session?.close();
  }

  /** @internal */
  async _get(
    key: Uint8Array,
    options: { snapshot?: SiltLevelSnapshot },
  ): Promise<Uint8Array | undefined> {
    return this.#open.request(
      (w) => wire.encodeGet(w, toStore(key), momentOf(options)),
      (r) => wire.decodeGet(r)?.value.slice(),
    );
  }

  /** @internal */
  _getSync(key: Uint8Array, options: { snapshot?: SiltLevelSnapshot }): Uint8Array | undefined {
    // Only the level in Node offers it.
    return (this.#open as LocalSession).requestSync(
      (w) => wire.encodeGet(w, toStore(key), momentOf(options)),
      (r) => wire.decodeGet(r)?.value.slice(),
    );
  }

  /** @internal */
  async _getMany(
    keys: Uint8Array[],
    options: { snapshot?: SiltLevelSnapshot },
  ): Promise<(Uint8Array | undefined)[]> {
    return this.#open.request(
      (w) => wire.encodeGetMany(w, keys.map(toStore), momentOf(options)),
      (r) => wire.decodeGetMany(r).map((value) => value?.slice()),
    );
  }

  /** @internal */
  async _has(key: Uint8Array, options: { snapshot?: SiltLevelSnapshot }): Promise<boolean> {
    return this.#open.request(
      (w) => wire.encodeHas(w, toStore(key), momentOf(options)),
      wire.decodeHas,
    );
  }

  /** @internal */
  async _hasMany(
    keys: Uint8Array[],
    options: { snapshot?: SiltLevelSnapshot },
  ): Promise<boolean[]> {
    return Promise.all(keys.map((key) => this._has(key, options)));
  }

  /** @internal */
  async _put(key: Uint8Array, value: Uint8Array, options: WriteOptions): Promise<void> {
    await this.#write([{ key: toStore(key), value }], options);
  }

  /** @internal */
  async _del(key: Uint8Array, options: WriteOptions): Promise<void> {
    await this.#write([{ key: toStore(key) }], options);
  }

  /** @internal */
  async _batch(operations: Operation[], options: WriteOptions): Promise<void> {
    await this.#write(operations.map((operation) => ({
      key: toStore(operation.key),
      value: operation.type === 'put' ? operation.value : undefined,
    })), options);
  }

  #write(operations: wire.WriteOperation[], options: WriteOptions): Promise<wire.Written> {
    const durability = durabilityOf(options);
    return this.#open.request(
      (w) => wire.encodeWrite(w, operations, durability),
      wire.decodeWrite,
    );
  }

  /** @internal */
  async _clear(options: RangeOptions & WriteOptions): Promise<void> {
    const session = this.#open;
    if ((options.limit ?? -1) < 0 && !options.snapshot) {
      const durability = durabilityOf(options);
      await session.request(
        (w) => wire.encodeDeleteRange(w, bounds(options), durability),
        wire.decodeWrite,
      );
      return;
    }
    const cursor = new Cursor(session, options, true);
    try {
      for (;;) {
        const keys = await cursor.nextv(1000, ({ key }) => ({ key: key.slice() }));
        if (keys.length === 0) return;
        await this.#write(keys, options);
      }
    } finally {
      await cursor.close();
    }
  }

  /** @internal */
  _iterator(options: object): unknown {
    return new Entries(this, options, this.#open);
  }

  /** @internal */
  _keys(options: object): unknown {
    return new Keys(this, options, this.#open);
  }

  /** @internal */
  _values(options: object): unknown {
    return new Values(this, options, this.#open);
  }

  /** @internal */
  _snapshot(options: object): unknown {
    return new SiltLevelSnapshot(this.#open, options);
  }
}
