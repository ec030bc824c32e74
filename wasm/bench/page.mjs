// Stores in a page, side by side; `bench(names, scale)` is called by browser.mjs or by hand.

import { BrowserLevel } from 'browser-level';
import Dexie from 'dexie';
import * as keyval from 'idb-keyval';
import localforage from 'localforage';
import { open, utf8 } from '../dist/index.js';
import { measure, table } from './workloads.mjs';

const unique = Math.random().toString(36).slice(2);

async function silt(options) {
  const db = await open(`bench-${options.backend}-${unique}`, { values: utf8, ...options });
  return {
    set: (key, value) => db.set(key, value),
    setSynced: (key, value) => db.set(key, value, { durability: 'synced' }),
    batch: (pairs) => db.batch(pairs.map(([key, value]) => ({ type: 'set', key, value }))),
    get: (key) => db.get(key),
    getMany: (keys) => db.getMany(keys),
    range: async (gte, limit) => (await db.entries({ gte, limit }).all()).length,
    close: () => db.close(),
  };
}

/** SQLite in a worker, on its pool of OPFS handles; a call is a message. */
function sqlite() {
  const worker = new Worker('./sqlite-worker.js', { type: 'module' });
  const waiting = new Map();
  let calls = 0;
  worker.onmessage = ({ data: { n, v, e } }) => {
    const { resolve, reject } = waiting.get(n);
    waiting.delete(n);
    if (e) reject(new Error(e));
    else resolve(v);
  };
  const call = (m, a) => new Promise((resolve, reject) => {
    calls += 1;
    waiting.set(calls, { resolve, reject });
    worker.postMessage({ n: calls, m, a });
  });
  return call('open').then(() => ({
    set: (key, value) => call('batch', [[key, value]]),
    batch: (pairs) => call('batch', pairs),
    get: (key) => call('get', key),
    getMany: (keys) => call('getMany', keys),
    range: async (from, limit) => (await call('range', [from, limit])).length,
    close: () => worker.terminate(),
  }));
}

const STORES = {
  'siltdb (OPFS)': () => silt({ backend: 'opfs' }),
  'siltdb (IndexedDB)': () => silt({ backend: 'idb' }),
  'sqlite-wasm (sahpool)': sqlite,
  'idb-keyval': async () => ({
    set: (key, value) => keyval.set(key, value),
    batch: (pairs) => keyval.setMany(pairs),
    get: (key) => keyval.get(key),
    getMany: (keys) => keyval.getMany(keys),
    close: () => {},
  }),
  'Dexie': async () => {
    const db = new Dexie(`dexie-${unique}`);
    db.version(1).stores({ kv: '' });
    return {
      set: (key, value) => db.kv.put(value, key),
      batch: (pairs) => db.kv.bulkPut(pairs.map(([, value]) => value), pairs.map(([key]) => key)),
      get: (key) => db.kv.get(key),
      getMany: (keys) => db.kv.bulkGet(keys),
      range: async (from, limit) =>
        (await db.kv.where(':id').aboveOrEqual(from).limit(limit).toArray()).length,
      close: () => db.close(),
    };
  },
  'localForage': async () => ({
    set: (key, value) => localforage.setItem(key, value),
    batch: (pairs) => Promise.all(pairs.map(([key, value]) => localforage.setItem(key, value))),
    get: (key) => localforage.getItem(key),
    close: () => {},
  }),
  'browser-level': async () => {
    const db = new BrowserLevel(`level-${unique}`);
    await db.open();
    return {
      set: (key, value) => db.put(key, value),
      batch: (pairs) => db.batch(pairs.map(([key, value]) => ({ type: 'put', key, value }))),
      get: (key) => db.get(key),
      getMany: (keys) => db.getMany(keys),
      range: async (gte, limit) => (await db.iterator({ gte, limit }).all()).length,
      close: () => db.close(),
    };
  },
};

globalThis.names = Object.keys(STORES);
globalThis.bench = async (name, scale) => {
  const store = await STORES[name]();
  const times = await measure(store, scale);
  await store.close();
  return times;
};

// By hand: open the page, and wait.
globalThis.all = async (scale = 1) => {
  const results = {};
  for (const name of globalThis.names) results[name] = await globalThis.bench(name, scale);
  return table(results);
};
