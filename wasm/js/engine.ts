/** The engine as a class: a thin face of what is compiled to WebAssembly. */

import { initSync, Engine as RawEngine } from './gen/siltdb.js';
import { SiltError, codeOf, type SiltErrorCode } from './error.js';
import type { HostStorage } from './storage.js';
import type { Durability } from './wire.js';

/** Which superseded versions compaction keeps: `ms` of time, or so many `versions` of a key. */
export type Retention = 'latest' | 'forever' | { ms: number } | { versions: number };

/** Options of an engine; what is left out has the store's default. */
export interface EngineOptions {
  /** What a write is acknowledged for unless it says otherwise. `flushed` if left out. */
  durability?: Durability | undefined;
  /** The active segment is sealed at this size, in bytes. 16 MiB if left out. */
  segmentBytes?: number | undefined;
  /** Longest time a flushed write waits for its sync. */
  syncIntervalMs?: number | undefined;
  /** The write buffer is written out at this many bytes. */
  bufferBytesMax?: number | undefined;
  /** The write buffer is written out after this time. */
  bufferMsMax?: number | undefined;
  /** Do not write a value that is the newest already. */
  skipIdentical?: boolean | undefined;
  /** Size of the cache of values, in bytes. */
  cacheBytes?: number | undefined;
  /** Retention of a store that is created; an existing one keeps its own. */
  retention?: Retention | undefined;
  /** Whether a missing store is created; true if left out. */
  create?: boolean | undefined;
  /** Whether compaction runs by itself, in `work`; true if left out. */
  autoCompact?: boolean | undefined;
  /** The clock in milliseconds since 1970; for tests. */
  now?: (() => number) | undefined;
  /** Sixty-four random bits; for tests. */
  random?: (() => bigint) | undefined;
}

/** What writing or restoring a snapshot did. */
export interface SnapshotReport {
  bytes: number;
  files: number;
  records: number;
  lastSeq: number;
}

/** What a check found. */
export interface CheckReport {
  files: number;
  bytes: number;
  records: number;
  problems: { file: string; offset: number; what: string }[];
}

let loaded = false;

/** Loads the compiled engine, once for all stores of this thread. */
export function loadEngine(source: WebAssembly.Module | BufferSource): void {
  if (loaded) return;
  initSync({ module: source });
  loaded = true;
}

/** Whether {@link loadEngine} was called. */
export function engineLoaded(): boolean {
  return loaded;
}

/** Runs a call into the engine; what it throws becomes a `SiltError`. */
function call<T>(run: () => T): T {
  try {
    return run();
  } catch (thrown) {
    throw translate(thrown);
  }
}

function translate(thrown: unknown): SiltError {
  if (thrown instanceof SiltError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  const code = codeOf(thrown) as SiltErrorCode | undefined;
  if (code === undefined) {
    // A trap: what the engine holds in memory is not to be trusted any more.
    return new SiltError('SILT_CRASHED', `the engine stopped: ${message}`, { cause: thrown });
  }
  const { operation, found, oldest } = thrown as Partial<SiltError>;
  return new SiltError(code, message, {
    ...(operation === undefined ? {} : { operation }),
    ...(found === undefined ? {} : { found }),
    ...(oldest === undefined ? {} : { oldest }),
  });
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
    return new Engine(call(() => RawEngine.open(storage, options)));
  }

  /** Creates the store in an empty `storage` out of a snapshot that `source` gives in pieces:
   * it fills as much of its argument as it can and returns how much; 0 at the end. */
  static restore(storage: HostStorage, source: (into: Uint8Array) => number): SnapshotReport {
    return call(() => RawEngine.restore(storage, source) as SnapshotReport);
  }

  /** Reads and verifies a store that is not open. */
  static check(storage: HostStorage): CheckReport {
    return call(() => RawEngine.check(storage) as CheckReport);
  }

  #use(): RawEngine {
    if (this.#closed) throw new SiltError('SILT_CLOSED', 'the store is closed');
    return this.#raw;
  }

  /**
   * Runs the operations of a request from `position` on, and gives their answers. It stops
   * early, with {@link Engine.position} before the request's end, while the storage is not ready.
   */
  execute(client: number, request: Uint8Array, position = 0): Uint8Array {
    const raw = this.#use();
    return call(() => raw.execute(client, request, position));
  }

  /** Where in the last request to go on; its length when all of it is done. */
  position(): number {
    return this.#use().position();
  }

  /** Does what is due; milliseconds until something is due again, -1 for nothing. */
  tick(): number {
    const raw = this.#use();
    return call(() => raw.tick());
  }

  /** Does a step of loading the index or compacting; true while there is more to do. */
  work(budgetBytes: number): boolean {
    const raw = this.#use();
    return call(() => raw.work(budgetBytes));
  }

  /** Closes the views of a client. */
  dropClient(client: number): void {
    this.#use().dropClient(client);
  }

  /** Writes a consistent copy of the store in pieces; a piece is not to be kept. */
  snapshot(sink: (bytes: Uint8Array) => void): SnapshotReport {
    const raw = this.#use();
    return call(() => raw.snapshot(sink) as SnapshotReport);
  }

  /** Seq of the last commit. */
  lastSeq(): number {
    return this.#use().lastSeq();
  }

  /** Whether something was synced since the last call: what `AsyncStorage.settle` asks for. */
  takeSynced(): boolean {
    return this.#use().takeSynced();
  }

  /** Closes the store cleanly. It is closed even if this throws. */
  close(): void {
    const raw = this.#use();
    this.#closed = true;
    call(() => raw.close());
  }
}
