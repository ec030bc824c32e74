/** The engine as a class: a thin face of what is compiled to WebAssembly. */

import { initSync, memoryNow, Engine as RawEngine } from './gen/siltdb.js';
import { cut } from './bytes.js';
import { decodeAt, isText, writeText } from './codec.js';
import { type EngineOptions, packOptions } from './engine-options.js';
import { closed, SiltError, type SiltErrorCode } from './error.js';
import { type Coded, keyBytes } from './scope.js';
import type { HostStorage } from './storage.js';

let loaded = false;

/** Loads the compiled engine, once for all stores of this thread. */
export function loadEngine(source: WebAssembly.Module | BufferSource): void {
  if (loaded) return;
  initSync({ module: source });
  loaded = true;
}

/**
 * Where in memory to put so many bytes that the next call takes; that may grow for them. It is on
 * the way of a get, as {@link newestOf}: both do without `call`, whose closure a get would notice.
 */
function room(raw: RawEngine, length: number): number {
  try {
    return raw.take(length);
  } catch (thrown) {
    throw told(thrown);
  }
}

/** Puts bytes where the next call takes them, and says how many. */
function put(raw: RawEngine, bytes: Uint8Array): number {
  const at = room(raw, bytes.length);
  memoryNow().set(bytes, at);
  return bytes.length;
}

/** The same of a key; text is encoded where it is to stand. */
function putKey<K>(raw: RawEngine, scope: Coded<K, unknown>, key: K): number {
  const { keys, prefix } = scope;
  if (typeof key !== 'string' || !isText(keys.encode)) return put(raw, keyBytes(scope, key));
  const { length } = prefix;
  const at = room(raw, length + key.length * 3);
  const memory = memoryNow();
  if (length > 0) memory.set(prefix, at);
  return length + writeText(memory, key, at + length);
}

/** Whether {@link loadEngine} was called. */
export function engineLoaded(): boolean {
  return loaded;
}

function randomBits(): bigint {
  return crypto.getRandomValues(new BigUint64Array(1))[0] as bigint;
}

/** Runs a call into the engine; what it throws becomes a `SiltError`. */
function call<T>(run: () => T): T {
  try {
    return run();
  } catch (thrown) {
    throw told(thrown);
  }
}

/** The error of what a call has thrown. */
function told(thrown: unknown): SiltError {
  if (thrown instanceof SiltError) return thrown;
  // The engine throws `CODE: message`; anything else is a trap, after which what it holds in
  // memory is not to be trusted any more.
  const parts = typeof thrown === 'string' ? /^(SILT_\w+): ([^]*)$/.exec(thrown) : null;
  if (parts) return new SiltError(parts[1] as SiltErrorCode, parts[2] as string);
  return new SiltError('SILT_CRASHED', `the engine stopped: ${thrown}`, { cause: thrown });
}

/** One open store. Not for two threads, and not after `close`. */
export class Engine {
  readonly #raw: RawEngine;
  #closed = false;

  private constructor(raw: RawEngine) {
    this.#raw = raw;
  }

  /** Opens the store in `storage`, or creates one. The engine must be loaded. */
  static open(storage: HostStorage, options: EngineOptions = {}): Engine {
    const packed = packOptions(options);
    const clock = { now: options.now ?? Date.now, random: options.random ?? randomBits };
    return new Engine(call(() => RawEngine.open(storage, packed, clock)));
  }

  /** Creates the store in an empty `storage` out of a snapshot that `source` gives in pieces:
   * it fills as much of its argument as it can and returns how much; 0 at the end. */
  static restore(storage: HostStorage, source: (into: Uint8Array) => number): void {
    call(() => RawEngine.restore(storage, source));
  }

  /** What is compiled. @internal */
  use(): RawEngine {
    if (this.#closed) throw closed();
    return this.#raw;
  }


  /**
   * Runs the operations of a request from `position` on, and gives their answers. It stops
   * early, with {@link Engine.position} before the request's end, while the storage is not ready.
   */
  execute(client: number, request: Uint8Array, position = 0): Uint8Array {
    const raw = this.use();
    return call(() => {
      const length = raw.execute(client, put(raw, request), position);
      if (length < 0) cut();
      const at = raw.given();
      return memoryNow().slice(at, at + length);
    });
  }

  /** Where in the last request to go on; its length when all of it is done. */
  position(): number {
    return this.use().position();
  }

  /** Does what is due; milliseconds until something is due again, -1 for nothing. */
  tick(): number {
    const raw = this.use();
    return call(() => raw.tick());
  }

  /**
   * Does a step of loading the index or compacting; true while there is more to do. `idle`:
   * nobody waits, so that more work is worth it to give space back.
   */
  work(budgetBytes: number, idle = false): boolean {
    const raw = this.use();
    return call(() => raw.work(budgetBytes, idle));
  }

  /** Closes the views of a client. */
  dropClient(client: number): void {
    this.use().dropClient(client);
  }

  /** Writes a consistent copy of the store in pieces; a piece is not to be kept. */
  snapshot(sink: (bytes: Uint8Array) => void): void {
    const raw = this.use();
    call(() => raw.snapshot(sink));
  }

  /** Seq of the last commit. */
  lastSeq(): number {
    return this.use().lastSeq();
  }

  /** Whether something was synced since the last call: what `AsyncStorage.settle` asks for. */
  takeSynced(): boolean {
    return this.use().takeSynced();
  }

  /** Closes the store cleanly. It is closed even if this throws. */
  close(): void {
    const raw = this.use();
    this.#closed = true;
    call(() => raw.close());
  }
}

/** Stands for a value that could not be read. */
export const UNREAD = Symbol();

/** The newest value of a key. Why one is {@link UNREAD}, {@link Engine.execute} tells. */
export function newestOf<K, V>(
  engine: Engine, scope: Coded<K, V>, key: K,
): V | undefined | typeof UNREAD {
  const raw = engine.use();
  // What a codec throws is its caller's.
  const count = putKey(raw, scope, key);
  let length: number;
  try {
    length = raw.get(count);
  } catch (thrown) {
    throw told(thrown);
  }
  if (length < 0) return length < -1 ? UNREAD : undefined;
  const at = raw.given();
  return decodeAt(scope.values, memoryNow(), at, at + length);
}
