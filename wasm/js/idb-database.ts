/**
 * The database of a store: the bytes of its files (see `idb-layout.ts`), under 'epoch' who owns
 * it, and under ['note', place] the requests it has begun.
 *
 * Every commit checks that the epoch is still its own, so that an owner that was frozen and
 * replaced can change nothing.
 */

import { cannot, SiltError } from './error.js';
import { type FileChange, type Layout, Parts } from './idb-layout.js';

const CHUNKS = 'chunks';
const META = 'meta';

/** How long a database that is still open elsewhere is waited for. */
const BLOCKED_MS = 1500;

/** Notes that are kept. */
const NOTES_MAX = 1024;

/** A request that was begun, and how many were before it. */
export type StoredNote = [ordinal: number, client: number, request: number, before: number];

/** What one transaction changes. */
export interface Change {
  epoch: number;
  strict: boolean;
  removed: string[];
  files: [name: string, change: FileChange][];
  notes: StoredNote[];
}

/** What a database holds. */
export interface Loaded {
  epoch: number;
  notes: StoredNote[];
  files: Map<string, { parts: Uint8Array[]; layout: Layout }>;
}

/** What the name of every database of a store begins with. */
export function databasePrefix(): string {
  return 'siltdb:';
}

/** The database's name. */
export function databaseName(store: string): string {
  return databasePrefix() + store;
}

/** Opens the database of a store, made if it is not there. */
export async function openDatabase(store: string): Promise<IDBDatabase> {
  if (typeof globalThis.indexedDB === 'undefined' || globalThis.indexedDB === null) {
    throw new SiltError('SILT_NOT_SUPPORTED', 'IndexedDB is not offered here');
  }
  return new Promise((resolve, reject) => {
    const fail = (e: unknown) => reject(cannot('open the store in IndexedDB', e));
    try {
      const request = indexedDB.open(databaseName(store), 1);
      request.onupgradeneeded = () => {
        request.result.createObjectStore(CHUNKS);
        request.result.createObjectStore(META);
      };
      request.onerror = () => fail(request.error);
      request.onsuccess = () => resolve(request.result);
    } catch (e) {
      fail(e);
    }
  });
}

/**
 * Reads everything, and takes the database over from who owned it before, unless it is only to
 * be read: that works without space, too.
 */
export async function load(database: IDBDatabase, own: boolean): Promise<Loaded> {
  const loaded: Loaded = { epoch: 0, notes: [], files: new Map() };
  const found = new Map<string, Parts>();
  const mode = own ? 'readwrite' : 'readonly';
  await transact(database, mode, 'open the store', false, (chunks, meta) => {
    const epoch = meta.get('epoch');
    epoch.onsuccess = () => {
      loaded.epoch = Number(epoch.result ?? 0) + (own ? 1 : 0);
      if (own) meta.put(loaded.epoch, 'epoch');
    };
    const notes = meta.getAll(IDBKeyRange.bound(['note'], ['note', []]));
    notes.onsuccess = () => {
      loaded.notes = (notes.result as StoredNote[]).sort((a, b) => a[0] - b[0]);
    };
    const keys = chunks.getAllKeys();
    const values = chunks.getAll();
    values.onsuccess = () => {
      keys.result.forEach((key, i) => {
        const [file, at, offset] = key as [string, number, number?];
        let parts = found.get(file);
        if (!parts) found.set(file, (parts = new Parts()));
        parts.add(at, offset, values.result[i] as Uint8Array);
      });
    };
  });
  for (const [name, parts] of found) {
    const file = parts.whole();
    if (!file) throw new SiltError('SILT_CORRUPT', `${name} has lost a part of it`);
    loaded.files.set(name, file);
  }
  return loaded;
}

/** Makes a change, whole or not at all. */
export async function commit(database: IDBDatabase, change: Change): Promise<void> {
  let lost: SiltError | undefined;
  await transact(database, 'readwrite', 'write', change.strict, (chunks, meta, transaction) => {
    const epoch = meta.get('epoch');
    epoch.onsuccess = () => {
      if (epoch.result === change.epoch) return;
      lost = epoch.result === undefined
        ? new SiltError('SILT_NOT_FOUND', 'the store was deleted while it was open')
        : new SiltError('SILT_LOCKED', 'the store was taken over by another tab');
      transaction.abort();
    };
    for (const name of change.removed) {
      chunks.delete(IDBKeyRange.bound([name], [name, []]));
    }
    for (const [file, { joined, written }] of change.files) {
      for (const at of joined) chunks.delete(IDBKeyRange.bound([file, at, 0], [file, at, []]));
      for (const [key, bytes] of written) chunks.put(bytes, [file, ...key]);
    }
    for (const note of change.notes) meta.put(note, ['note', note[0] % NOTES_MAX]);
  }).catch((e: unknown) => {
    throw lost ?? e;
  });
}

function transact(
  database: IDBDatabase,
  mode: IDBTransactionMode,
  what: string,
  strict: boolean,
  body: (chunks: IDBObjectStore, meta: IDBObjectStore, transaction: IDBTransaction) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    try {
      const options: IDBTransactionOptions = { durability: strict ? 'strict' : 'relaxed' };
      const transaction = database.transaction([CHUNKS, META], mode, options);
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(cannot(`${what} in IndexedDB`, transaction.error));
      try {
        body(transaction.objectStore(CHUNKS), transaction.objectStore(META), transaction);
      } catch (e) {
        // Or what was asked for until then would be done.
        transaction.abort();
        throw e;
      }
    } catch (e) {
      reject(cannot(`${what} in IndexedDB`, e));
    }
  });
}

/** Deletes the database of a store. */
export async function deleteDatabase(store: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const request = indexedDB.deleteDatabase(databaseName(store));
    request.onsuccess = () => resolve();
    // A killed worker keeps it open for a moment; whoever keeps it longer is one without locks.
    request.onblocked = () => {
      const error = new SiltError('SILT_LOCKED', `${store} is open, and goes when it is closed`);
      setTimeout(() => reject(error), BLOCKED_MS);
    };
    request.onerror = () => reject(cannot('delete the store', request.error));
  });
}
