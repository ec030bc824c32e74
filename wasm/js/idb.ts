/**
 * A store in IndexedDB, for places without synchronous files. Files are kept whole in memory;
 * what the engine changes is queued, and `settle` commits the queue as one transaction, so that
 * the database always holds a state that the engine was in.
 */

import { closed, SiltError } from './error.js';
import { commit, type Change, load, openDatabase, type StoredNote } from './idb-database.js';
import { Layout } from './idb-layout.js';
import { MemoryFile } from './memory-file.js';
import { parseName } from './names.js';
import type { AsyncStorage } from './storage.js';

/** Files of a store in IndexedDB, mirrored in memory. */
export class IdbStorage implements AsyncStorage {
  readonly #store: string;
  #database: IDBDatabase | undefined;
  #epoch = 0;
  readonly #files = new Map<string, MemoryFile>();
  readonly #handles: (MemoryFile | undefined)[] = [];
  /** Notes of requests that the database holds as they were at open, and those since. */
  #notes: StoredNote[] = [];
  #ordinal = 0;
  #notesKept = 0;
  /** What the database has of each file. */
  readonly #layouts = new Map<MemoryFile, Layout>();
  #changed = new Set<MemoryFile>();
  #removed = new Set<string>();
  #strict = false;
  #failed: SiltError | undefined;

  private constructor(store: string) {
    this.#store = store;
  }

  /** Loads a store. `SILT_NOT_SUPPORTED` or `SILT_DENIED` where there is no IndexedDB. */
  static async open(store: string): Promise<IdbStorage> {
    const storage = new IdbStorage(store);
    await storage.#load(true);
    return storage;
  }

  async #load(own: boolean): Promise<void> {
    this.#database = await openDatabase(this.#store);
    const loaded = await load(this.#database, own);
    this.#epoch = loaded.epoch;
    this.#notes = loaded.notes;
    this.#notesKept = this.#notes.length;
    this.#ordinal = this.#notes.at(-1)?.[0] ?? 0;
    for (const [name, { parts, layout }] of loaded.files) {
      const file = new MemoryFile(name, parts);
      this.#files.set(name, file);
      this.#layouts.set(file, layout);
    }
  }

  list(): [string, number][] {
    return [...this.#files.values()].map((file) => [file.name, file.length]);
  }

  open(name: string): number {
    const file = this.#files.get(name);
    if (!file) throw new SiltError('SILT_NOT_FOUND', `${name} is not there`);
    return this.#handles.push(file) - 1;
  }

  create(name: string): number {
    this.#make(name);
    return this.open(name);
  }

  resume(name: string, length: number): number {
    this.#mayChange();
    const handle = this.open(name);
    const file = this.#file(handle);
    if (length > file.length) {
      throw new SiltError('SILT_UNEXPECTED_END', `${name} ends before byte ${length}`);
    }
    if (length < file.length) {
      file.truncate(length);
      this.#layouts.get(file)?.truncate(length);
      this.#changed.add(file);
    }
    return handle;
  }

  publish(name: string, bytes: Uint8Array): void {
    const file = this.#make(name);
    this.#append(file, bytes);
    this.#strict = true;
  }

  remove(name: string): void {
    const file = this.#files.get(name);
    if (!file) return;
    this.#files.delete(name);
    this.#changed.delete(file);
    this.#layouts.delete(file);
    this.#removed.add(name);
  }

  size(handle: number): number {
    return this.#file(handle).length;
  }

  read(handle: number, offset: number, into: Uint8Array): void {
    this.#file(handle).read(offset, into);
  }

  append(handle: number, bytes: Uint8Array): void {
    this.#mayChange();
    this.#append(this.#file(handle), bytes);
  }

  sync(handle: number): void {
    this.#mayChange();
    this.#file(handle);
    this.#strict = true;
  }

  close(handle: number): void {
    this.#handles[handle] = undefined;
  }

  ready(): boolean {
    return true;
  }

  /** Whether something waits to be settled. */
  dirty(): boolean {
    if (this.#failed) return false;
    const noted = this.#notes.length > this.#notesKept;
    return this.#strict || noted || this.#changed.size > 0 || this.#removed.size > 0;
  }

  /** Commits what is queued. After a failure nothing more is taken: the store is opened again. */
  async settle(strict: boolean): Promise<void> {
    this.#mayChange();
    if (!this.dirty()) return;
    const change = this.#take(strict);
    try {
      await this.#commit(change);
    } catch (e) {
      this.#failed = e as SiltError;
      throw e;
    }
  }

  async #commit(change: Change): Promise<void> {
    try {
      if (!this.#database) throw closed();
      await commit(this.#database, change);
    } catch (e) {
      // Safari ends connections of pages in the background: one more try on a new one.
      const { name = '' } = ((e as SiltError).cause ?? {}) as Error;
      if (name !== 'InvalidStateError' && name !== 'UnknownError') throw e;
      this.#database?.close();
      this.#database = await openDatabase(this.#store);
      await commit(this.#database, change);
    }
  }

  #take(strict: boolean): Change {
    const change: Change = {
      epoch: this.#epoch,
      strict: strict || this.#strict,
      removed: [...this.#removed],
      files: [],
      notes: this.#notes.slice(this.#notesKept),
    };
    for (const file of this.#changed) {
      const layout = this.#layouts.get(file);
      if (layout) change.files.push([file.name, layout.take(file)]);
    }
    this.#changed = new Set();
    this.#removed = new Set();
    this.#strict = false;
    // Old ones are of no use any more: no request waits that long.
    if (this.#notes.length > 4096) this.#notes.splice(0, 2048);
    this.#notesKept = this.#notes.length;
    return change;
  }

  /**
   * Goes back to what the database holds, to be read only: after a failed `settle` the memory
   * here knows more than is kept. The engine is opened again after it, then `failed` is set.
   */
  async reload(): Promise<void> {
    this.#failed = undefined;
    this.#files.clear();
    this.#layouts.clear();
    this.#handles.length = 0;
    this.#take(false);
    this.#database?.close();
    await this.#load(false);
  }

  /** From now on every change fails so; what was changed since the reload is forgotten. */
  refuse(error: SiltError): void {
    this.#take(false);
    this.#failed = error;
  }

  note(client: number, request: number, before: number): void {
    this.#ordinal += 1;
    this.#notes.push([this.#ordinal, client, request, before]);
  }

  notes(): [client: number, request: number, before: number][] {
    return this.#notes.map(([, client, request, before]) => [client, request, before]);
  }

  async shut(): Promise<void> {
    if (!this.#failed) await this.settle(true);
    this.#database?.close();
    this.#database = undefined;
    this.#files.clear();
  }

  #file(handle: number): MemoryFile {
    const file = this.#handles[handle];
    if (!file) throw new SiltError('SILT_IO', 'the handle is closed');
    return file;
  }

  #make(name: string): MemoryFile {
    this.#mayChange();
    if (!parseName(name)) throw new SiltError('SILT_DENIED', `${name} is no file of a store`);
    if (this.#files.has(name)) throw new SiltError('SILT_ALREADY_EXISTS', `${name} is there`);
    const file = new MemoryFile(name, []);
    this.#files.set(name, file);
    this.#layouts.set(file, new Layout());
    this.#changed.add(file);
    return file;
  }

  #append(file: MemoryFile, bytes: Uint8Array): void {
    this.#layouts.get(file)?.append(file.length);
    file.append(bytes);
    this.#changed.add(file);
  }

  #mayChange(): void {
    if (this.#failed) throw this.#failed;
  }
}
