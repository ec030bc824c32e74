/**
 * A store in the origin private file system, its files named and filled as the native ones.
 *
 * Files there open asynchronously, the engine is synchronous: so files of the numbers that come
 * next are created and opened ahead. Such a spare is empty and unknown to the engine until it is
 * taken; a clean shut removes it, and an open removes what a kill left.
 *
 * Platforms hold so many files open, and no more: those that were not used for longest are closed
 * between requests, and opened again when one asks for them.
 */

import { cannot, SiltError } from './error.js';
import { type FileKind, fileName, JOURNAL_NAME, parseName } from './names.js';
import { Journal } from './opfs-journal.js';
import { type FolderFile, openAll, openHandle, storeFolder, type SyncHandle } from './opfs-handle.js';
import type { AsyncStorage } from './storage.js';

/** Spares kept of each kind, and how few of them stop the engine for new ones. */
const SPARES = 4;
const SPARES_MIN = 3;

/** A file: every handle of the engine on it shares the one that the platform allows. */
interface StoreFile {
  name: string;
  length: number;
  /** Undefined while it is closed. */
  sync: SyncHandle | undefined;
  /** Why it could not be opened; told by the call that needs it. */
  failed?: SiltError | undefined;
  /** When it was used last, counted in uses. */
  used: number;
}

/** A handle of the engine. */
interface Handle {
  file: StoreFile;
  /** What is appended to stays open. */
  appends: boolean;
}

/** What spares of a kind there are to be. */
interface Stock {
  kind: FileKind;
  /** Highest number seen, in a file or asked for. */
  last: number;
  /** Names asked for of which there was none. */
  missed: Set<string>;
  /** How many to have ahead: grows when there was none of a number. */
  ahead: number;
}

/** The host opens it, and the call is made again. */
const notOpen = (name: string) => new SiltError('SILT_NOT_READY', `${name} is not open yet`);

/** Files of a store in the origin private file system; lives in a dedicated worker. */
export class OpfsStorage implements AsyncStorage {
  /** So many files are open between requests, at most, beside spares and what is appended to. */
  static openMax = 64;
  readonly #folder: FileSystemDirectoryHandle;
  readonly #journal: Journal;
  readonly #files = new Map<string, StoreFile>();
  readonly #handles: (Handle | undefined)[] = [];
  readonly #free: number[] = [];
  readonly #stocks: Stock[] = ['segment', 'manifest'].map((kind) => {
    return { kind: kind as FileKind, last: 0, missed: new Set(), ahead: SPARES };
  });
  readonly #spares = new Map<string, SyncHandle>();
  /** Whether there are spares enough, as far as is known. */
  #enough = false;
  readonly #doomed = new Set<string>();
  /** Files that were asked for while they were closed. */
  readonly #wanted = new Set<StoreFile>();
  #uses = 0;
  /** Whether a file was opened since some were closed last. */
  #opened = true;
  #restocking: Promise<void> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** While true a file that is removed is kept open as a spare: a restore begins again with it. */
  reuse = false;
  /** Why no spares could be made: the engine then goes on without, and reads still work. */
  #stuck: SiltError | undefined;
  #shut = false;

  /** Over files that were just opened. */
  private constructor(folder: FileSystemDirectoryHandle, opened: Map<string, SyncHandle>) {
    this.#folder = folder;
    this.#journal = new Journal(opened.get(JOURNAL_NAME) as SyncHandle);
    for (const [name, sync] of opened) if (parseName(name)) this.#adopt(name, sync);
    const ids = [...this.#files.keys()].map((name) => parseName(name));
    const numbersOf = (kind: FileKind) =>
      ids.flatMap((id) => (id?.kind === kind ? [id.number] : []));
    for (const stock of this.#stocks) stock.last = Math.max(0, ...numbersOf(stock.kind));
    const numbers = numbersOf('manifest');
    const published = this.#journal.check(numbers);
    for (const number of numbers) if (number > published) this.#unpublish(number);
  }

  /**
   * Opens the files of a store. `SILT_LOCKED` when they are open elsewhere, `SILT_NOT_SUPPORTED`
   * or `SILT_DENIED` where the platform has no such files.
   */
  static async open(store: string): Promise<OpfsStorage> {
    const folder = await storeFolder(store);
    const opened = new Map<string, SyncHandle>();
    try {
      await openAll(folder, opened);
      const storage = new OpfsStorage(folder, opened);
      // An engine that finds its files does not wait for spares until it writes.
      const spares = storage.prepare();
      if (storage.#files.size === 0) await spares;
      return storage;
    } catch (e) {
      for (const sync of opened.values()) sync.close();
      throw cannot('open the store', e);
    }
  }

  /** A manifest that was not written to its end becomes a spare again. */
  #unpublish(number: number): void {
    const name = fileName('manifest', number);
    const sync = this.#files.get(name)?.sync as SyncHandle;
    const stock = this.#stocks.find((s) => s.kind === 'manifest') as Stock;
    this.#files.delete(name);
    sync.truncate(0);
    this.#spares.set(name, sync);
    stock.last = Math.min(stock.last, number - 1);
  }

  /** An empty file is a spare of before. */
  #adopt(name: string, sync: SyncHandle): void {
    const length = sync.getSize();
    if (length > 0) this.#files.set(name, { name, sync, length, used: 0 });
    else this.#spares.set(name, sync);
  }

  list(): [string, number][] {
    return [...this.#files.values()].map((file) => [file.name, file.length]);
  }

  open(name: string, appends = false): number {
    const handle = this.#free.pop() ?? this.#handles.length;
    this.#handles[handle] = { file: this.#named(name), appends };
    return handle;
  }

  create(name: string): number {
    this.#take(name);
    return this.open(name, true);
  }

  resume(name: string, length: number): number {
    const file = this.#named(name);
    if (length > file.length) {
      throw new SiltError('SILT_UNEXPECTED_END', `${name} ends before byte ${length}`);
    }
    this.#use(file, (sync) => sync.truncate(length));
    file.length = length;
    return this.open(name, true);
  }

  /** The journal names a manifest only once all of it is durable: a torn one counts as absent. */
  publish(name: string, bytes: Uint8Array): void {
    const file = this.#take(name);
    try {
      this.#write(file, bytes);
      this.#use(file, (sync) => sync.flush());
      this.#attempt(name, () => this.#journal.record(parseName(name)?.number ?? 0));
    } catch (e) {
      this.remove(name);
      throw e;
    }
  }

  /** Gives the bytes back at once; the name goes when the platform comes to it. */
  remove(name: string): void {
    const file = this.#files.get(name);
    if (!file) return;
    this.#files.delete(name);
    this.#wanted.delete(file);
    try {
      file.sync?.truncate(0);
    } catch {
      // The file goes as a whole a little later.
    }
    if (this.reuse && file.sync?.getSize() === 0) {
      this.#spares.set(name, file.sync);
      return;
    }
    file.sync?.close();
    this.#doomed.add(name);
    this.#restockSoon();
  }

  size(handle: number): number {
    return this.#file(handle).length;
  }

  read(handle: number, offset: number, into: Uint8Array): void {
    const file = this.#file(handle);
    if (offset + into.length > file.length) {
      throw new SiltError('SILT_UNEXPECTED_END', `${file.name} ends before the bytes asked for`);
    }
    const got = this.#use(file, (sync) => sync.read(into, { at: offset }));
    if (got !== into.length) {
      const what = `${file.name} gave ${got} of ${into.length} bytes`;
      throw new SiltError('SILT_UNEXPECTED_END', what);
    }
  }

  append(handle: number, bytes: Uint8Array): void {
    this.#write(this.#file(handle), bytes);
  }

  sync(handle: number): void {
    this.#use(this.#file(handle), (sync) => sync.flush());
  }

  close(handle: number): void {
    if (!this.#handles[handle]) return;
    this.#handles[handle] = undefined;
    this.#free.push(handle);
  }

  ready(): boolean {
    if (this.#wanted.size > 0) return false;
    this.#enough ||= this.#stocks.every((stock) => this.#missing(stock, SPARES_MIN).length === 0);
    return this.#enough || !!this.#stuck;
  }

  /**
   * Opens what was asked for, or `all` files, and makes spares. A failure to is told by the call
   * that needs the file, so that reads go on.
   */
  async prepare(all = false): Promise<void> {
    if (all) for (const file of this.#files.values()) if (!file.sync) this.#wanted.add(file);
    while (!this.#shut && this.#isShort()) {
      this.#restocking ??= this.#restock().finally(() => (this.#restocking = undefined));
      await this.#restocking;
      if (this.#stuck && this.#wanted.size === 0) break;
    }
  }

  /** Between requests: closes the files that were not used for longest. */
  rest(): void {
    if (!this.#opened) return;
    this.#opened = false;
    const busy = new Set(this.#handles.map((handle) => handle?.appends && handle.file));
    const open = [...this.#files.values()].filter((file) => file.sync && !busy.has(file));
    open.sort((a, b) => b.used - a.used);
    for (const file of open.slice(OpfsStorage.openMax)) {
      file.sync?.close();
      file.sync = undefined;
    }
  }

  /** Notes a request of a client, see `resolve.ts`. Survives the worker, not a power loss. */
  note(client: number, request: number, before: number): void {
    this.#attempt(JOURNAL_NAME, () => this.#journal.note(client, request, before));
  }

  /** The requests noted, oldest first. */
  notes(): [client: number, request: number, before: number][] {
    return this.#journal.notes();
  }

  /** Closes every file and removes the spares. The engine is closed before. */
  async shut(): Promise<void> {
    this.#shut = true;
    clearTimeout(this.#timer);
    await this.#restocking?.catch(() => undefined);
    for (const name of this.#spares.keys()) this.#doomed.add(name);
    this.#closeAll();
    await this.#unlink();
  }

  #closeAll(): void {
    this.#shut = true;
    for (const spare of this.#spares.values()) spare.close();
    this.#spares.clear();
    for (const file of this.#files.values()) file.sync?.close();
    this.#files.clear();
    this.#wanted.clear();
    this.#journal.close();
  }

  #file(handle: number): StoreFile {
    const { file } = this.#handles[handle] ?? {};
    if (!file || this.#shut) throw new SiltError('SILT_IO', 'the handle is closed');
    return file;
  }

  #named(name: string): StoreFile {
    const file = this.#files.get(name);
    if (!file) throw new SiltError('SILT_NOT_FOUND', `${name} is not there`);
    return file;
  }

  /** Does something with a file; `SILT_NOT_READY` if it has to be opened first. */
  #use<T>(file: StoreFile, run: (sync: SyncHandle) => T): T {
    const { sync, failed } = file;
    file.used = this.#uses += 1;
    if (sync) return this.#attempt(file.name, () => run(sync));
    file.failed = undefined;
    if (failed) throw failed;
    this.#wanted.add(file);
    this.#restockSoon();
    throw notOpen(file.name);
  }

  /** Turns the spare of this name into a file. */
  #take(name: string): StoreFile {
    const id = parseName(name);
    const stock = this.#stocks.find((s) => s.kind === id?.kind);
    if (!id || !stock) throw new SiltError('SILT_DENIED', `${name} is no file of a store`);
    if (this.#files.has(name)) throw new SiltError('SILT_ALREADY_EXISTS', `${name} is there`);
    const sync = this.#spares.get(name);
    this.#enough = false;
    stock.last = Math.max(stock.last, id.number);
    this.#restockSoon();
    if (!sync) {
      if (this.#stuck) throw this.#stuck;
      stock.missed.add(name);
      stock.ahead = Math.min(stock.ahead * 2, 64);
      throw notOpen(name);
    }
    this.#spares.delete(name);
    const file = { name, sync, length: 0, used: this.#uses };
    this.#files.set(name, file);
    this.#opened = true;
    return file;
  }

  /** The names without a spare among so many that come next, and those that were asked for. */
  #missing({ kind, last, missed }: Stock, count: number): string[] {
    const next = Array.from({ length: count }, (_, i) => fileName(kind, last + 1 + i));
    return [...missed, ...next].filter((name) => !this.#spares.has(name));
  }

  #isShort(): boolean {
    return this.#wanted.size + this.#doomed.size > 0 ||
      this.#stocks.some((stock) => this.#missing(stock, stock.ahead).length > 0);
  }

  #restockSoon(): void {
    if (this.#timer !== undefined || this.#shut) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#stuck = undefined;
      void this.prepare();
    }, 0);
  }

  /** Opens what was asked for. One that goes meanwhile is unlinked later. */
  async #openWanted(): Promise<void> {
    await Promise.all([...this.#wanted].map(async (file) => {
      try {
        const sync = await openHandle(await this.#folder.getFileHandle(file.name) as FolderFile);
        if (this.#files.get(file.name) === file) file.sync = sync;
        else sync.close();
      } catch (e) {
        file.failed = cannot(`open ${file.name}`, e);
      }
      this.#wanted.delete(file);
      this.#opened = true;
    }));
  }

  async #restock(): Promise<void> {
    await this.#openWanted();
    try {
      await this.#unlink();
      await Promise.all(this.#stocks.map((stock) => this.#fill(stock)));
      this.#stuck = undefined;
    } catch (e) {
      this.#stuck = cannot('create a file', e);
    }
  }

  async #fill(stock: Stock): Promise<void> {
    const missing = this.#missing(stock, stock.ahead);
    stock.missed.clear();
    const made = missing.map(async (name) => {
      const file = await this.#folder.getFileHandle(name, { create: true });
      const sync = await openHandle(file as FolderFile);
      if (sync.getSize() > 0) sync.truncate(0);
      this.#spares.set(name, sync);
    });
    await Promise.all(made);
  }

  async #unlink(): Promise<void> {
    for (const name of [...this.#doomed]) {
      await this.#folder.removeEntry(name).catch((e: unknown) => {
        if ((e as Error).name !== 'NotFoundError') throw e;
      });
      this.#doomed.delete(name);
    }
  }

  /** Chromium may write less, or give its own error code as a count, where others throw. */
  #write(file: StoreFile, bytes: Uint8Array): void {
    const wrote = this.#use(file, (sync) => sync.write(bytes, { at: file.length }));
    if (wrote !== bytes.length) {
      throw new SiltError('SILT_OUT_OF_SPACE', `${file.name} took only a part: no space is left`);
    }
    file.length += wrote;
  }

  #attempt<T>(name: string, call: () => T): T {
    try {
      return call();
    } catch (e) {
      throw cannot(`use ${name}`, e);
    }
  }
}
