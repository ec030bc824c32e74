// What browser.mjs calls, in the page and, by message, in a worker.

import { churn, keyOf, load, measure, ROWS, valueOf } from '../rows.mjs';
import { STORES } from './stores.mjs';

/** One row of one store, fresh; undefined where the store has no such thing. */
async function row({ store: name, row, scale, id }) {
  const { open, synced, pages } = STORES[name];
  if ((ROWS[row].synced && !synced) || (pages && typeof document === 'undefined')) return undefined;
  return measure((synced) => open(`bench-${id}`, synced), row, scale);
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

async function fileBytes(directory) {
  let sum = 0;
  for await (const handle of directory.values()) {
    sum += handle.kind === 'file' ? (await handle.getFile()).size : await fileBytes(handle);
  }
  return sum;
}

/** Overwrites everything so many times; bytes of that a second later, as the page counts them. */
async function space({ store: name, id, times }) {
  const store = await STORES[name].open(`bench-${id}`, false);
  const live = await churn(store, times);
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const files = await fileBytes(await navigator.storage.getDirectory());
  // The estimate has files at what was once reserved for them, and databases as they are.
  const { usageDetails } = await navigator.storage.estimate();
  return { live, counted: files + (usageDetails.indexedDB ?? 0) };
}

const METHODS = { row, fill, reopen, space };

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
