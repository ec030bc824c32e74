/** A store in Node: the engine runs in the thread that uses it. */

import { readFileSync } from 'node:fs';
import * as zlib from 'node:zlib';
import { Engine, engineLoaded, loadEngine } from './engine.js';
import { checkEngine, type EngineOptions } from './engine-options.js';
import { refuseNoBlob, SiltError } from './error.js';
import type { Info } from './figures.js';
import { checksumBy } from './gen/siltdb.js';
import { MemoryStorage } from './memory.js';
import { NodeStorage } from './node-fs.js';
import { checkDirectory } from './node-stores.js';
import { useTextOfNode } from './node-text.js';
import { Owner, sourceOf } from './owner.js';
import type { AsyncStorage } from './storage.js';
import type { Channel, ChannelEvent } from './transport.js';

useTextOfNode();

/** Options of a store in Node, beside those of its engine. */
export interface NodeOptions extends EngineOptions {
  /** `node-fs`, the directory that is named, unless given. */
  backend?: 'node-fs' | 'memory' | 'auto' | undefined;
  /** The compiled engine, where a bundler has moved it away from this file. */
  wasm?: WebAssembly.Module | BufferSource | undefined;
  /** Makes the store out of this snapshot; there must be none yet. */
  restore?: Blob | undefined;
  /** Where the files are, if somebody has them already. @internal */
  storage?: AsyncStorage | undefined;
}

/** Loads the compiled engine that stands beside this file, or the one that is given. */
export function loadNode(wasm?: WebAssembly.Module | BufferSource): void {
  if (engineLoaded()) return;
  loadEngine(wasm ?? readFileSync(new URL('./siltdb.wasm', import.meta.url)));
  // The first releases of Node 20 have none.
  if (zlib.crc32) checksumBy((crc, bytes) => zlib.crc32(bytes, crc));
}

/** The storage of a store and the options of its engine. */
export function storageNode(
  directory: string,
  options: NodeOptions,
): { storage: AsyncStorage; engine: EngineOptions; info: Info } {
  checkEngine(options, ' backend wasm restore storage');
  checkDirectory(directory);
  const { backend = 'node-fs', wasm, restore, storage: given, ...rest } = options;
  if (restore !== undefined) refuseNoBlob(restore);
  loadNode(wasm);
  // What is acknowledged in Node survives power loss, unless asked otherwise.
  const engine = { ...rest, durability: rest.durability ?? 'synced' };
  const memory = backend === 'memory';
  if (!memory && backend !== 'node-fs' && backend !== 'auto') {
    const what = `in Node a store is in node-fs or in memory, not in ${String(backend)}`;
    throw new SiltError('SILT_NOT_SUPPORTED', what);
  }
  const open = () => new NodeStorage(directory, { create: rest.create !== false });
  const storage = given ?? (memory ? new MemoryStorage() : open());
  const name = memory ? 'memory' : 'node-fs';
  return { storage, engine, info: { backend: name, role: 'solo', persistent: !memory } };
}

/** Gives a storage back in which no store could be opened, as if nobody had tried. */
export function giveUp(storage: AsyncStorage): void {
  if (storage.abandon) storage.abandon();
  else void storage.shut?.();
}

/** A client and its engine in one thread. */
export class LocalChannel implements Channel {
  /** What runs the engine. */
  readonly owner: Owner;
  readonly #info: Info;
  readonly #listeners = new Set<(event: ChannelEvent) => void>();

  constructor(owner: Owner, info: Info) {
    this.owner = owner;
    this.#info = info;
    owner.onCommit = (seq) => {
      // Told after the reply: whoever hears of it finds the commit's promise resolved.
      queueMicrotask(() => this.#tell({ type: 'change', seq }));
    };
  }

  #tell(event: ChannelEvent): void {
    for (const listen of [...this.#listeners]) listen(event);
  }

  async send(request: Uint8Array): Promise<Uint8Array> {
    return this.owner.execute(request);
  }

  async call(method: string): Promise<unknown> {
    switch (method) {
      case 'info': return this.#info;
      case 'export': return new Blob(this.owner.pieces(), { type: 'application/x-silt' });
      case 'persist': return this.#info.persistent;
      case 'storage': {
        const usage = this.owner.storage.list().reduce((sum, [, length]) => sum + length, 0);
        return { usage, quota: Infinity, persisted: this.#info.persistent };
      }
      default: throw new SiltError('SILT_NOT_SUPPORTED', `a store in Node has no ${method}`);
    }
  }

  onEvent(listen: (event: ChannelEvent) => void): () => void {
    this.#listeners.add(listen);
    return () => this.#listeners.delete(listen);
  }

  async close(): Promise<void> {
    try {
      this.owner.close();
    } finally {
      await this.owner.storage.shut?.();
      this.#tell({ type: 'closed' });
    }
  }
}

/** Opens the store in a directory. */
export async function connectNode(
  directory: string,
  options: NodeOptions = {},
): Promise<LocalChannel> {
  const { storage, engine, info } = storageNode(directory, options);
  try {
    await storage.prepare?.();
    if (options.restore) {
      Engine.restore(storage, sourceOf(new Uint8Array(await options.restore.arrayBuffer())));
    }
    return new LocalChannel(new Owner(Engine.open(storage, engine), storage), info);
  } catch (error) {
    giveUp(storage);
    throw error;
  }
}
