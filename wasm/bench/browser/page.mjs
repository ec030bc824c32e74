// What browser.mjs calls, in the page and, by message, in a worker.

import { KEYS, keyOf, load, ROWS, setScale, valueOf } from './rows.mjs';
import { STORES } from './stores.mjs';

/** One row of one store, fresh; undefined where the store has no such thing. */
async function measure({ store: name, row, scale, id }) {
  const { open, synced } = STORES[name];
  const { run, loaded, needs, synced: asked = false } = ROWS[row];
  if (asked && !synced) return undefined;
  setScale(scale);
  const store = await open(`bench-${id}`, asked);
  try {
    if (needs && !store[needs]) return undefined;
    if (loaded) await load(store);
    const times = (part) => (count) => Math.max(5, Math.round(count * scale * part));
    // What the engines of browsers compile as they go is compiled before.
    if (loaded) await run(store, times(0.3));
    return await run(store, times(1));
  } finally {
    await store.close();
  }
}

/** Fills a store that is opened again later. */
async function fill({ store: name, id, keys }) {
  const store = await STORES[name].open(`bench-${id}`, false);
  await load(store, keys);
  await store.close();
}

/** Milliseconds from nothing to the first value of a store that is there. */
async function reopen({ store: name, id, keys }) {
  const began = performance.now();
  const store = await STORES[name].open(`bench-${id}`, false);
  const value = await store.get(keyOf(keys - 7));
  const ms = performance.now() - began;
  if (value !== valueOf(keys - 7)) throw new Error('another value');
  await store.close();
  return ms;
}

/** Overwrites everything so many times, and leaves the store open for a second. */
async function churn({ store: name, id, times }) {
  const store = await STORES[name].open(`bench-${id}`, false);
  await load(store);
  for (let round = 1; round <= times; round += 1) await load(store, KEYS, round);
  await new Promise((resolve) => setTimeout(resolve, 1000));
  return KEYS * (keyOf(0).length + valueOf(0).length);
}

const METHODS = { measure, fill, reopen, churn };

if (typeof document === 'undefined') {
  onmessage = async ({ data: { method, argument } }) => {
    try {
      postMessage({ v: await METHODS[method](argument) });
    } catch (error) {
      postMessage({ e: String(error?.stack ?? error) });
    }
  };
} else {
  const inWorker = (method, argument) => new Promise((resolve, reject) => {
    const worker = new Worker('./page.js', { type: 'module' });
    worker.onmessage = ({ data: { v, e } }) => {
      worker.terminate();
      if (e) reject(new Error(e));
      else resolve(v);
    };
    worker.onerror = (event) => reject(new Error(event.message));
    worker.postMessage({ method, argument });
  });
  globalThis.call = (method, argument) =>
    argument.place === 'worker' ? inWorker(method, argument) : METHODS[method](argument);
  globalThis.stores = Object.keys(STORES);
  globalThis.rows = Object.keys(ROWS);
}
