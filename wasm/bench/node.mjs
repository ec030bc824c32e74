// Stores in Node, side by side, in directories of one disk: node node.mjs [SCALE]

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import * as lmdb from 'lmdb';
import { open, utf8 } from '../dist/node.js';
import { openSync } from '../dist/sync-node.js';
import { measure, table } from './workloads.mjs';

const STORES = {
  async 'siltdb'(directory) {
    const db = await open(directory, { values: utf8, durability: 'flushed' });
    return {
      set: (key, value) => db.set(key, value),
      setSynced: (key, value) => db.set(key, value, { durability: 'synced' }),
      batch: (pairs) => db.batch(pairs.map(([key, value]) => ({ type: 'set', key, value }))),
      get: (key) => db.get(key),
      getMany: (keys) => db.getMany(keys),
      range: async (gte, limit) => (await db.entries({ gte, limit }).all()).length,
      close: () => db.close(),
    };
  },
  async 'siltdb/sync'(directory) {
    const db = openSync(directory, { values: utf8, durability: 'flushed' });
    return {
      set: (key, value) => db.set(key, value),
      setSynced: (key, value) => db.set(key, value, { durability: 'synced' }),
      batch: (pairs) => db.batch(pairs.map(([key, value]) => ({ type: 'set', key, value }))),
      get: (key) => db.get(key),
      getMany: (keys) => db.getMany(keys),
      range: (gte, limit) => [...db.entries({ gte, limit })].length,
      close: () => db.close(),
    };
  },
  async 'classic-level'(directory) {
    const db = new ClassicLevel(directory);
    await db.open();
    return {
      set: (key, value) => db.put(key, value),
      setSynced: (key, value) => db.put(key, value, { sync: true }),
      batch: (pairs) => db.batch(pairs.map(([key, value]) => ({ type: 'put', key, value }))),
      get: (key) => db.get(key),
      getMany: (keys) => db.getMany(keys),
      range: async (gte, limit) => (await db.iterator({ gte, limit }).all()).length,
      close: () => db.close(),
    };
  },
  async 'lmdb'(directory) {
    // Its commits are made in the background; synced is what `flushed` waits for.
    const db = lmdb.open({ path: directory, encoding: 'string' });
    return {
      set: (key, value) => db.put(key, value),
      setSynced: async (key, value) => {
        await db.put(key, value);
        await db.flushed;
      },
      batch: (pairs) => db.transaction(() => pairs.forEach(([key, value]) => db.put(key, value))),
      get: (key) => db.get(key),
      getMany: (keys) => db.getMany(keys),
      range: (start, limit) => [...db.getRange({ start, limit })].length,
      close: () => db.close(),
    };
  },
};

const scale = Number(process.argv[2] ?? 1);
const results = {};
for (const [name, make] of Object.entries(STORES)) {
  const root = mkdtempSync(join(tmpdir(), 'siltdb-bench-'));
  try {
    const store = await make(join(root, 'store'));
    results[name] = await measure(store, scale);
    await store.close();
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}
console.log(table(results));
