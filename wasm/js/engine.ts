/** The engine as a class: a thin face of what is compiled to WebAssembly. */

import { initSync, memoryNow, Engine as RawEngine } from './gen/siltdb.js';
import { cut } from './bytes.js';
import { decodeAt, type ValueCodec } from './codec.js';
import { type EngineOptions, packOptions } from './engine-options.js';
import { closed, SiltError, type SiltErrorCode } from './error.js';
import type { HostStorage } from './storage.js';

let loaded = false;

/** Loads the compiled engine, once for all stores of this thread. */
export function loadEngine(source: WebAssembly.Module | BufferSource): void {
  if (loaded) return;
  initSync({ module: source });
  loaded = true;
}

/** Puts bytes where the next call takes them, and says how many. */
function put(raw: RawEngine, bytes: Uint8Array): number {
  // It may grow for them.
  const at = raw.take(bytes.length);
  memoryNow().set(bytes, at);
  return bytes.length;
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
    if (thrown instanceof SiltError) throw thrown;
    // The engine throws `CODE: message`; anything else is a trap, after which what it holds in
    // memory is not to be trusted any more.
    const told = typeof thrown === 'string' ? /^(SILT_\w+): ([^]*)$/.exec(thrown) : null;
    if (told) throw new SiltError(told[1] as SiltErrorCode, told[2] as string);
    throw new SiltError('SILT_CRASHED', `the engine stopped: ${thrown}`, { cause: thrown });
  }
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

/** What a codec makes of the newest value of a key; `otherwise` is asked where it is not read. */
export function newestOf<V>(
  engine: Engine,
  key: Uint8Array,
  codec: ValueCodec<V>,
  otherwise: () => V | undefined,
): V | undefined {
  const raw = engine.use();
  const length = call(() => raw.get(put(raw, key)));
  if (length < 0) return length < -1 ? otherwise() : undefined;
  const at = raw.given();
  return decodeAt(codec, memoryNow(), at, at + length);
}
