/** A store as an abstract-level database: everything but how it is reached. */

import { AbstractLevel, type AbstractDatabaseOptions } from 'abstract-level';
import { type Commit, levelOf } from './batch.js';
import { SiltError } from './error.js';
import { bounds, Cursor, Entries, Keys, momentOf, type RangeOptions } from './level-reads.js';
import { SiltLevelSnapshot, toStore, Values } from './level-reads.js';
import type { LocalSession } from './local-session.js';
import type { Session } from './session.js';
import * as wire from './wire.js';

interface WriteOptions {
  durability?: wire.Durability;
  /** As in classic-level: safe from power loss. */
  sync?: boolean;
}

type Operation =
  | { type: 'put'; key: Uint8Array; value: Uint8Array }
  | { type: 'del'; key: Uint8Array };

function durabilityOf(options: WriteOptions): wire.Durability | undefined {
  return levelOf(options.durability) ?? (options.sync === true ? 'synced' : undefined);
}

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
    // One that failed has given the store back, too: Level takes it for open until this succeeds.
    if (!this.#session?.closed) await this.#session?.close();
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

  #write(operations: wire.WriteOperation[], options: WriteOptions): Promise<Commit> {
    return this.#open.requestWrite(operations, durabilityOf(options));
  }

  /** @internal */
  async _clear(options: RangeOptions & WriteOptions): Promise<void> {
    const session = this.#open;
    if ((options.limit ?? -1) < 0 && !options.snapshot) {
      const durability = durabilityOf(options);
      await session.request(
        (w) => wire.encodeDeleteRange(w, bounds(options), durability),
        wire.decodeDeleteRange,
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
