/**
 * A store in the origin private file system, its files named and filled as the native ones.
 *
 * Files there open asynchronously, the engine is synchronous: so files of the numbers that come
 * next are created and opened ahead. Such a spare is empty and unknown to the engine until it is
 * taken; a clean shut removes it, and an open removes what a kill left.
 */

import { SiltError } from './error.js';
import { type FileKind, fileName, folderName, parseName } from './names.js';
import { Journal, JOURNAL_NAME } from './opfs-journal.js';
import { cannot, type FolderFile, openHandle, type SyncHandle } from './opfs-handle.js';
import type { AsyncStorage } from './storage.js';

/** Spares kept of each kind, and how few of them stop the engine for new ones. */
const SPARES = 4;
const SPARES_MIN = 3;

/** An open file: every handle of the engine on it shares the one that the platform allows. */
interface OpenFile {
  name: string;
  sync: SyncHandle;
  length: number;
}

/** Spares of one kind, by number. */
interface Stock {
  kind: FileKind;
  spares: Map<number, SyncHandle>;
  /** Highest number seen, in a file or asked for. */
  last: number;
  /** Numbers asked for of which there was none. */
  missed: Set<number>;
  /** How many to have ahead: grows when there was none of a number. */
  ahead: number;
}

/** The folder of a store, made if it is not there. */
export async function storeFolder(store: string): Promise<FileSystemDirectoryHandle> {
  const storage = globalThis.navigator?.storage;
  if (typeof storage?.getDirectory !== 'function') {
    throw new SiltError('SILT_NOT_SUPPORTED', 'the origin private file system is not offered here');
  }
  try {
    const root = await storage.getDirectory();
    const all = await made((create) => root.getDirectoryHandle('siltdb', { create }));
    return await made((create) => all.getDirectoryHandle(folderName(store), { create }));
  } catch (e) {
    throw cannot('open the origin private file system', e);
  }
}

/** Gets what is there, without asking for space, and makes it if it is not. */
async function made<T>(get: (create: boolean) => Promise<T>): Promise<T> {
  try {
    return await get(false);
  } catch (e) {
    if ((e as Error).name !== 'NotFoundError') throw e;
    return get(true);
  }
}

/** Files of a store in the origin private file system; lives in a dedicated worker. */
export class OpfsStorage implements AsyncStorage {
  readonly kind = 'opfs';
  readonly #folder: FileSystemDirectoryHandle;
  readonly #journal: Journal;
  readonly #files = new Map<string, OpenFile>();
  readonly #handles: (OpenFile | undefined)[] = [];
  readonly #free: number[] = [];
  readonly #stocks: Stock[] = ['segment', 'manifest'].map((kind) => {
    return { kind: kind as FileKind, spares: new Map(), last: 0, missed: new Set(), ahead: SPARES };
  });
  readonly #doomed = new Set<string>();
  #restocking: Promise<void> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** While true a file that is removed is kept open as a spare: a restore begins again with it. */
  reuse = false;
  /** Why no spares could be made: the engine then goes on without, and reads still work. */
  #stuck: SiltError | undefined;
  #shut = false;

  private constructor(folder: FileSystemDirectoryHandle, journal: Journal) {
    this.#folder = folder;
    this.#journal = journal;
  }

  /**
   * Opens the files of a store. `SILT_LOCKED` when they are open elsewhere, `SILT_NOT_SUPPORTED`
   * or `SILT_DENIED` where the platform has no such files.
   */
  static async open(store: string): Promise<OpfsStorage> {
    const folder = await storeFolder(store);
    const file = await made((create) => folder.getFileHandle(JOURNAL_NAME, { create }));
    const storage = new OpfsStorage(folder, new Journal(await openHandle(file as FolderFile)));
    try {
      await storage.#openFiles();
      await storage.prepare();
      return storage;
    } catch (e) {
      storage.#closeAll();
      throw cannot('open the store', e);
    }
  }

  async #openFiles(): Promise<void> {
    const found: [string, FolderFile][] = [];
    for await (const [name, entry] of this.#folder.entries()) {
      if (entry.kind === 'file' && parseName(name)) found.push([name, entry as FolderFile]);
    }
    const lastOf = (names: Iterable<string>, kind: FileKind) => Math.max(0, ...[...names]
      .map((name) => parseName(name)).map((id) => (id?.kind === kind ? id.number : 0)));
    for (const stock of this.#stocks) stock.last = lastOf(found.map(([name]) => name), stock.kind);
    // Meanwhile spares are made: of the right numbers, unless a kill has left some.
    const opened = found.map(async ([name, file]) => this.#adopt(name, await openHandle(file)));
    const all = await Promise.allSettled([this.#restock(), ...opened]);
    // Only when none is on its way any more can all be closed.
    for (const one of all) if (one.status === 'rejected') throw one.reason;
    for (const stock of this.#stocks) stock.last = lastOf(this.#files.keys(), stock.kind);
    const ids = [...this.#files.keys()].map((name) => parseName(name));
    const numbers = ids.flatMap((id) => (id?.kind === 'manifest' ? [id.number] : []));
    const published = this.#journal.check(numbers);
    for (const number of numbers) if (number > published) this.#unpublish(number);
  }

  /** A manifest that was not written to its end becomes a spare again. */
  #unpublish(number: number): void {
    const name = fileName('manifest', number);
    const file = this.#files.get(name) as OpenFile;
    const stock = this.#stocks.find((s) => s.kind === 'manifest') as Stock;
    this.#files.delete(name);
    file.sync.truncate(0);
    stock.spares.set(number, file.sync);
    stock.last = Math.min(stock.last, number - 1);
  }

  /** An empty file is a spare of before. */
  #adopt(name: string, sync: SyncHandle): void {
    const id = parseName(name);
    const stock = this.#stocks.find((s) => s.kind === id?.kind);
    if (!id || !stock) return;
    const length = sync.getSize();
    if (length === 0) {
      stock.spares.set(id.number, sync);
    } else {
      this.#files.set(name, { name, sync, length });
    }
  }

  list(): [string, number][] {
    return [...this.#files.values()].map((file) => [file.name, file.length]);
  }

  open(name: string): number {
    const file = this.#files.get(name);
    if (!file) throw new SiltError('SILT_NOT_FOUND', `${name} is not there`);
    const handle = this.#free.pop() ?? this.#handles.length;
    this.#handles[handle] = file;
    return handle;
  }

  create(name: string): number {
    this.#take(name);
    return this.open(name);
  }

  resume(name: string, length: number): number {
    const handle = this.open(name);
    const file = this.#file(handle);
    if (length > file.length) {
      this.close(handle);
      throw new SiltError('SILT_UNEXPECTED_END', `${name} ends before byte ${length}`);
    }
    this.#attempt(name, () => file.sync.truncate(length));
    file.length = length;
    return handle;
  }

  /** The journal names a manifest only once all of it is durable: a torn one counts as absent. */
  publish(name: string, bytes: Uint8Array): void {
    const file = this.#take(name);
    try {
      this.#write(file, bytes);
      this.#attempt(name, () => file.sync.flush());
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
    try {
      file.sync.truncate(0);
    } catch {
      // The file goes as a whole a little later.
    }
    if (this.reuse && this.#keep(file)) return;
    file.sync.close();
    this.#doomed.add(name);
    this.#restockSoon();
  }

  #keep({ name, sync }: OpenFile): boolean {
    const id = parseName(name);
    const stock = this.#stocks.find((s) => s.kind === id?.kind);
    if (!id || !stock || sync.getSize() > 0) return false;
    stock.spares.set(id.number, sync);
    return true;
  }

  size(handle: number): number {
    return this.#file(handle).length;
  }

  read(handle: number, offset: number, into: Uint8Array): void {
    const file = this.#file(handle);
    if (offset + into.length > file.length) {
      throw new SiltError('SILT_UNEXPECTED_END', `${file.name} ends before the bytes asked for`);
    }
    const got = this.#attempt(file.name, () => file.sync.read(into, { at: offset }));
    if (got !== into.length) {
      const what = `${file.name} gave ${got} of ${into.length} bytes`;
      throw new SiltError('SILT_UNEXPECTED_END', what);
    }
  }

  append(handle: number, bytes: Uint8Array): void {
    this.#write(this.#file(handle), bytes);
  }

  sync(handle: number): void {
    const file = this.#file(handle);
    this.#attempt(file.name, () => file.sync.flush());
  }

  close(handle: number): void {
    if (!this.#handles[handle]) return;
    this.#handles[handle] = undefined;
    this.#free.push(handle);
  }

  ready(): boolean {
    return !!this.#stuck || this.#stocks.every((stock) => this.#has(stock, SPARES_MIN));
  }

  /** Makes spares; a failure to is told by the call that needs one, so that reads go on. */
  async prepare(): Promise<void> {
    while (!this.#shut && this.#isShort()) {
      this.#restocking ??= this.#restock().finally(() => (this.#restocking = undefined));
      await this.#restocking;
      if (this.#stuck) break;
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
    for (const { kind, spares } of this.#stocks) {
      for (const number of spares.keys()) this.#doomed.add(fileName(kind, number));
    }
    this.#closeAll();
    await this.#unlink();
  }

  #closeAll(): void {
    this.#shut = true;
    for (const stock of this.#stocks) {
      for (const spare of stock.spares.values()) spare.close();
      stock.spares.clear();
    }
    for (const file of this.#files.values()) file.sync.close();
    this.#files.clear();
    this.#journal.close();
  }

  #file(handle: number): OpenFile {
    const file = this.#handles[handle];
    if (!file || this.#shut) throw new SiltError('SILT_IO', 'the handle is closed');
    return file;
  }

  /** Turns the spare of this name into a file. */
  #take(name: string): OpenFile {
    const id = parseName(name);
    const stock = this.#stocks.find((s) => s.kind === id?.kind);
    if (!id || !stock) throw new SiltError('SILT_DENIED', `${name} is no file of a store`);
    if (this.#files.has(name)) throw new SiltError('SILT_ALREADY_EXISTS', `${name} is there`);
    const sync = stock.spares.get(id.number);
    stock.last = Math.max(stock.last, id.number);
    this.#restockSoon();
    if (!sync) {
      if (this.#stuck) throw this.#stuck;
      stock.missed.add(id.number);
      stock.ahead = Math.min(stock.ahead * 2, 64);
      throw new SiltError('SILT_NOT_READY', `${name} is not open yet`);
    }
    stock.spares.delete(id.number);
    const file = { name, sync, length: 0 };
    this.#files.set(name, file);
    return file;
  }

  /** Whether there are so many of the numbers to come, and all that were asked for. */
  #has(stock: Stock, count: number): boolean {
    let left = 0;
    for (const number of stock.spares.keys()) if (number > stock.last) left += 1;
    return left >= count && stock.missed.size === 0;
  }

  #isShort(): boolean {
    return this.#doomed.size > 0 || !this.#stocks.every((stock) => this.#has(stock, stock.ahead));
  }

  #restockSoon(): void {
    if (this.#timer !== undefined || this.#shut) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#stuck = undefined;
      void this.prepare();
    }, 0);
  }

  async #restock(): Promise<void> {
    try {
      await this.#unlink();
      await Promise.all(this.#stocks.map((stock) => this.#fill(stock)));
      this.#stuck = undefined;
    } catch (e) {
      this.#stuck = cannot('create a file', e);
    }
  }

  async #fill(stock: Stock): Promise<void> {
    const numbers: number[] = [];
    for (let n = stock.last + 1; n <= stock.last + stock.ahead; n += 1) numbers.push(n);
    const missing = [...stock.missed, ...numbers].filter((n) => !stock.spares.has(n));
    stock.missed.clear();
    const made = missing.map(async (number) => {
      const name = fileName(stock.kind, number);
      const file = await this.#folder.getFileHandle(name, { create: true });
      const sync = await openHandle(file as FolderFile);
      if (sync.getSize() > 0) sync.truncate(0);
      stock.spares.set(number, sync);
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
  #write(file: OpenFile, bytes: Uint8Array): void {
    const wrote = this.#attempt(file.name, () => file.sync.write(bytes, { at: file.length }));
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
