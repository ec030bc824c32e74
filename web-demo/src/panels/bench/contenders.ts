/** What is measured: the same few verbs over each kind of storage. */

import type { Durability } from 'siltdb';
import { openText } from '../../app.js';
import { removeStore } from '../../reset.js';

/** An open store of a contender. Values are text, as long as the settings ask for. */
export interface Arena {
  put(key: string, value: string): Promise<unknown> | void;
  putMany(records: readonly [string, string][]): Promise<unknown> | void;
  get(key: string): Promise<string | undefined> | string | undefined;
  getMany(keys: readonly string[]): Promise<(string | undefined)[]> | (string | undefined)[];
  /** Reads every record in order; how many there are. */
  scan(): Promise<number> | number;
  /** Closes it and removes what it has written. */
  leave(): Promise<void>;
}

/** One of those that are compared. */
export interface Contender {
  id: string;
  name: string;
  /** What its writes survive, and how it is used. */
  note: string;
  enter(): Promise<Arena>;
}

async function silt(durability: Durability): Promise<Arena> {
  const name = `demo-bench-${durability}`;
  await removeStore(name);
  const { db } = await openText(name, { durability, autoCompact: false });
  return {
    put: (key, value) => db.set(key, value),
    putMany: (records) => {
      const batch = db.batch();
      for (const [key, value] of records) batch.set(key, value);
      return batch.commit();
    },
    get: (key) => db.get(key),
    getMany: (keys) => db.getMany(keys),
    scan: async () => (await db.entries().all()).length,
    leave: async () => {
      await db.close();
      await removeStore(name);
    },
  };
}

function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

function complete(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onerror = transaction.onabort = () => reject(transaction.error);
  });
}

/** One transaction for each call, as the small wrappers do it. */
async function indexed(durability: IDBTransactionDurability): Promise<Arena> {
  const name = `demo-bench idb ${durability}`;
  await done(indexedDB.deleteDatabase(name) as IDBRequest<unknown>);
  const opening = indexedDB.open(name, 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore('kv');
  const db = await done(opening);
  const writing = () => db.transaction('kv', 'readwrite', { durability });
  const reading = () => db.transaction('kv', 'readonly').objectStore('kv');
  return {
    put: (key, value) => {
      const transaction = writing();
      transaction.objectStore('kv').put(value, key);
      return complete(transaction);
    },
    putMany: (records) => {
      const transaction = writing();
      const store = transaction.objectStore('kv');
      for (const [key, value] of records) store.put(value, key);
      return complete(transaction);
    },
    get: (key) => done<string | undefined>(reading().get(key)),
    getMany: (keys) => {
      const store = reading();
      return Promise.all(keys.map((key) => done<string | undefined>(store.get(key))));
    },
    scan: async () => {
      const store = reading();
      const [keys, values] = await Promise.all([done(store.getAllKeys()), done(store.getAll())]);
      return Math.min(keys.length, values.length);
    },
    leave: async () => {
      db.close();
      await done(indexedDB.deleteDatabase(name) as IDBRequest<unknown>);
    },
  };
}

const LOCAL = 'siltdb-demo-bench ';

async function local(): Promise<Arena> {
  const mine = () => Object.keys(localStorage).filter((key) => key.startsWith(LOCAL));
  for (const key of mine()) localStorage.removeItem(key);
  const get = (key: string) => localStorage.getItem(LOCAL + key) ?? undefined;
  return {
    put: (key, value) => localStorage.setItem(LOCAL + key, value),
    putMany: (records) => {
      for (const [key, value] of records) localStorage.setItem(LOCAL + key, value);
    },
    get,
    getMany: (keys) => keys.map(get),
    scan: () =>
      mine()
        .sort()
        .filter((key) => localStorage.getItem(key) !== null).length,
    leave: async () => {
      for (const key of mine()) localStorage.removeItem(key);
    },
  };
}

/** All of them, in the order they run. */
export const CONTENDERS: readonly Contender[] = [
  {
    id: 'silt-flushed',
    name: 'SiltDB, flushed',
    note: 'survives the death of the browser',
    enter: () => silt('flushed'),
  },
  {
    id: 'silt-synced',
    name: 'SiltDB, synced',
    note: 'survives power loss',
    enter: () => silt('synced'),
  },
  {
    id: 'silt-buffered',
    name: 'SiltDB, buffered',
    note: 'in memory, written a little later',
    enter: () => silt('buffered'),
  },
  {
    id: 'idb-relaxed',
    name: 'IndexedDB, relaxed',
    note: 'survives the death of the browser',
    enter: () => indexed('relaxed'),
  },
  {
    id: 'idb-strict',
    name: 'IndexedDB, strict',
    note: 'survives power loss',
    enter: () => indexed('strict'),
  },
  {
    id: 'idb-keyval',
    name: 'idb-keyval style',
    note: 'IndexedDB, the browser\u2019s default durability',
    enter: () => indexed('default'),
  },
  { id: 'local', name: 'localStorage', note: 'blocks the page; a few MB at most', enter: local },
];
