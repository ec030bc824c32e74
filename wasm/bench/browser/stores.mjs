// The stores, each opened fresh by name: { set, batch(pairs), get, getMany?, range?, close }.
//
// `synced`: what is acknowledged survives power loss, as far as the store can promise that;
// otherwise it survives the death of the browser. In a page the SQLites are asked by message; in
// a worker they run in it, as siltdb does there, by `siltdb/sync`.

import { BrowserLevel } from 'browser-level';
import Dexie from 'dexie';
import * as keyval from 'idb-keyval';
import localforage from 'localforage';
import { open, utf8 } from '../../dist/index.js';
import * as sync from '../../dist/sync.js';

const inWorker = typeof document === 'undefined';
const typed = ([key, value]) => ({ type: 'set', key, value });

async function siltSync(name, synced) {
  const durability = synced ? 'synced' : 'flushed';
  const db = await sync.open(name, { values: sync.utf8, durability, wasm: './siltdb.wasm' });
  // Files open asynchronously: what meets one that is not open is done again.
  const ready = async (run) => {
    for (;;) {
      try {
        return run();
      } catch (error) {
        if (error.code !== 'SILT_NOT_READY') throw error;
        await db.prepare();
      }
    }
  };
  return {
    set: (key, value) => ready(() => db.set(key, value)),
    batch: (pairs) => ready(() => db.batch(pairs.map(typed))),
    get: (key) => db.get(key),
    getMany: (keys) => db.getMany(keys),
    range: (gte, limit) => ready(() => [...db.entries({ gte, limit })]),
    close: () => db.close(),
  };
}

async function silt(name, synced, backend, inThread = false) {
  if (inWorker && backend === 'opfs') return siltSync(name, synced);
  const durability = synced ? 'synced' : 'flushed';
  const worker = inThread ? await import('../../dist/worker.js') :
    () => new Worker('./worker.js', { type: 'module' });
  const db = await open(name, { values: utf8, backend, durability, worker });
  return {
    set: (key, value) => db.set(key, value),
    batch: (pairs) => db.batch(pairs.map(typed)),
    get: (key) => db.get(key),
    getMany: (keys) => db.getMany(keys),
    range: (gte, limit) => db.entries({ gte, limit }).all(),
    close: () => db.close(),
  };
}

/** A store that a script in a worker runs, asked by message. */
async function remote(script, options) {
  const worker = new Worker(script, { type: 'module' });
  const waiting = new Map();
  let calls = 0;
  worker.onmessage = ({ data: { n, v, e } }) => {
    const { resolve, reject } = waiting.get(n);
    waiting.delete(n);
    if (e) reject(new Error(e));
    else resolve(v);
  };
  const call = (m, ...a) => new Promise((resolve, reject) => {
    calls += 1;
    waiting.set(calls, { resolve, reject });
    worker.postMessage({ n: calls, m, a });
  });
  await call('open', options);
  const names = ['set', 'batch', 'get', 'getMany'];
  if (options.module !== 'bare') names.push('range');
  const store = Object.fromEntries(names.map((m) => [m, (...a) => call(m, ...a)]));
  return { ...store, close: () => call('close').then(() => worker.terminate()) };
}

/** SQLite or a bare file, in this worker or in one of its own. */
async function worked(module, name, synced) {
  if (!inWorker) return remote('./store-worker.js', { module, name, synced });
  if (module === 'bare') return (await import('./bare.mjs')).openBare({ name, synced });
  return (await import('./sqlite.mjs')).openSqlite({ module, name, synced });
}

/** IndexedDB as it is: one transaction a call. */
async function rawIdb(name, synced) {
  const promised = (request, event = 'success') => new Promise((resolve, reject) => {
    request[`on${event}`] = () => resolve(request.result);
    request.onerror = request.onabort = () => reject(request.error);
  });
  const opening = indexedDB.open(name, 1);
  opening.onupgradeneeded = () => opening.result.createObjectStore('kv');
  const db = await promised(opening);
  const durability = synced ? 'strict' : 'relaxed';
  const write = (pairs) => {
    const tx = db.transaction('kv', 'readwrite', { durability });
    const kv = tx.objectStore('kv');
    for (const [key, value] of pairs) kv.put(value, key);
    return promised(tx, 'complete');
  };
  const kv = () => db.transaction('kv').objectStore('kv');
  return {
    set: (key, value) => write([[key, value]]),
    batch: write,
    get: (key) => promised(kv().get(key)),
    getMany: (keys) => {
      const all = kv();
      return Promise.all(keys.map((key) => promised(all.get(key))));
    },
    range: async (from, limit) => {
      const all = kv();
      const bound = IDBKeyRange.lowerBound(from);
      const found = [promised(all.getAllKeys(bound, limit)), promised(all.getAll(bound, limit))];
      return (await Promise.all(found))[1];
    },
    close: () => db.close(),
  };
}

async function dexie(name, synced) {
  const chromeTransactionDurability = synced ? 'strict' : 'relaxed';
  const db = new Dexie(name, { chromeTransactionDurability });
  db.version(1).stores({ kv: '' });
  return {
    set: (key, value) => db.kv.put(value, key),
    batch: (pairs) => db.kv.bulkPut(pairs.map(([, value]) => value), pairs.map(([key]) => key)),
    get: (key) => db.kv.get(key),
    getMany: (keys) => db.kv.bulkGet(keys),
    range: (from, limit) => db.kv.where(':id').aboveOrEqual(from).limit(limit).toArray(),
    close: () => db.close(),
  };
}

async function idbKeyval(name) {
  const store = keyval.createStore(name, 'kv');
  return {
    set: (key, value) => keyval.set(key, value, store),
    batch: (pairs) => keyval.setMany(pairs, store),
    get: (key) => keyval.get(key, store),
    getMany: (keys) => keyval.getMany(keys, store),
    close: () => {},
  };
}

async function forage(name) {
  const store = localforage.createInstance({ name, driver: localforage.INDEXEDDB });
  return {
    set: (key, value) => store.setItem(key, value),
    batch: (pairs) => Promise.all(pairs.map(([key, value]) => store.setItem(key, value))),
    get: (key) => store.getItem(key),
    close: () => {},
  };
}

async function level(name) {
  const db = new BrowserLevel(name);
  await db.open();
  return {
    set: (key, value) => db.put(key, value),
    batch: (pairs) => db.batch(pairs.map(([key, value]) => ({ type: 'put', key, value }))),
    get: (key) => db.get(key),
    getMany: (keys) => db.getMany(keys),
    range: (gte, limit) => db.iterator({ gte, limit }).all(),
    close: () => db.close(),
  };
}

/** How to open each; `synced`: it can promise that; `pages`: it is for pages only. */
export const STORES = {
  'siltdb, OPFS': { synced: true, open: (name, synced) => silt(name, synced, 'opfs') },
  'siltdb, IndexedDB': { synced: true, open: (name, synced) => silt(name, synced, 'idb') },
  'siltdb, IndexedDB, no worker': {
    synced: true, pages: true, open: (name, synced) => silt(name, synced, 'idb', true) },
  'sqlite-wasm': { synced: true, open: (name, synced) => worked('sqlite-wasm', name, synced) },
  'wa-sqlite': { synced: true, open: (name, synced) => worked('wa-sqlite', name, synced) },
  'IndexedDB': { synced: true, open: rawIdb },
  'Dexie': { synced: true, open: dexie },
  'idb-keyval': { synced: false, open: idbKeyval },
  'localForage': { synced: false, open: forage },
  'browser-level': { synced: false, open: level },
  'bare file': { synced: true, open: (name, synced) => worked('bare', name, synced) },
};
