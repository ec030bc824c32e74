/**
 * What a backend gives the engine: write-once files by name, as `core/src/storage` has them.
 *
 * Every method is synchronous, since the engine is: a host whose files open asynchronously opens
 * them ahead, in {@link AsyncStorage.prepare}. A failure is thrown, a `SiltError` or any error
 * whose `code` is one of the storage's codes; anything else counts as `SILT_IO` with its message.
 */
export interface HostStorage {
  /** Every file of the store with its length. Other files are not listed. */
  list(): [name: string, length: number][];
  /** A handle for reading. It also reads what is appended later. */
  open(name: string): number;
  /** Creates an empty file: a handle for appending. `SILT_ALREADY_EXISTS` if it is there. */
  create(name: string): number;
  /** A handle for appending at `length`, what follows is cut off. `SILT_UNEXPECTED_END` beyond. */
  resume(name: string, length: number): number;
  /** Creates a whole durable file, whole or absent after a crash. `SILT_ALREADY_EXISTS`. */
  publish(name: string, bytes: Uint8Array): void;
  /** Removes a file; one that is not there is fine. */
  remove(name: string): void;
  /** Length of an open file. */
  size(handle: number): number;
  /**
   * Fills `into` with the bytes at `offset`, or throws `SILT_UNEXPECTED_END`. `into` is a view
   * over the engine's memory: not to be kept.
   */
  read(handle: number, offset: number, into: Uint8Array): void;
  /** Appends all of `bytes`, a view over the engine's memory: not to be kept. */
  append(handle: number, bytes: Uint8Array): void;
  /** Makes bytes, length and name of the file survive power loss. */
  sync(handle: number): void;
  /** Gives a handle back. */
  close(handle: number): void;
  /** False: the engine stops before an operation that may write, and the host awaits `prepare`. */
  ready(): boolean;
}

/** A backend that does some of its work asynchronously; the host awaits it around the engine. */
export interface AsyncStorage extends HostStorage {
  /** Makes handles ready ahead, until `ready()` is true; those of `all` files, if asked. */
  prepare?(all?: boolean): Promise<void>;
  /** Told between requests: what they needed open may be closed. */
  rest?(): void;
  /**
   * Makes all that was changed until now as durable as the calls asked for (`strict`: a sync is
   * among them). The host answers requests only after it.
   */
  settle?(strict: boolean): Promise<void>;
  /** Gives everything back, after the engine is closed. */
  shut?(): Promise<void>;
  /** The same where no store came about; takes away what was made for one. */
  abandon?(): void;
}
