// Stores in Node, side by side, in directories of one disk: node node.mjs [SCALE [STORE...]]

import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import * as lmdb from 'lmdb';
import { open, utf8 } from '../dist/node.js';
import { openSync } from '../dist/sync-node.js';
import { VALUE, keyOf, measure, table } from './workloads.mjs';

// Compiled when it is installed, which not every machine can.
const Sqlite = await import('better-sqlite3').then((m) => m.default, () => undefined);

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

if (Sqlite) {
  STORES['better-sqlite3'] = async (directory) => {
    mkdirSync(directory);
    const db = new Sqlite(join(directory, 'db'));
    db.pragma('journal_mode = WAL');
    db.exec('CREATE TABLE kv (k TEXT PRIMARY KEY, v TEXT) WITHOUT ROWID');
    const level = (name) => db.pragma(`synchronous = ${name}`);
    level('normal');
    const put = db.prepare('INSERT OR REPLACE INTO kv VALUES (?, ?)');
    const get = db.prepare('SELECT v FROM kv WHERE k = ?').pluck();
    const range = db.prepare('SELECT k, v FROM kv WHERE k >= ? ORDER BY k LIMIT ?');
    const many = db.transaction((pairs) => pairs.forEach(([key, value]) => put.run(key, value)));
    return {
      set: (key, value) => put.run(key, value),
      setSynced: (key, value) => {
        level('full');
        put.run(key, value);
        level('normal');
      },
      batch: (pairs) => many(pairs),
      get: (key) => get.get(key),
      getMany: (keys) => keys.map((key) => get.get(key)),
      range: (from, limit) => range.all(from, limit).length,
      close: () => db.close(),
    };
  };
}

const bytesOf = (directory) => readdirSync(directory, { withFileTypes: true })
  .reduce((sum, entry) => sum + (entry.isFile() ? statSync(join(directory, entry.name)).size : 0), 0);

/** 100,000 keys loaded in batches of 1,000, then all overwritten five times, one by one. */
async function churn(make, directory, scale) {
  const keys = Math.round(100_000 * scale);
  const store = await make(directory);
  let began = performance.now();
  for (let i = 0; i < keys; i += 1000) {
    await store.batch(Array.from({ length: 1000 }, (_, j) => [keyOf(i + j), VALUE]));
  }
  const load = performance.now() - began;
  began = performance.now();
  let slowest = 0;
  for (let i = 0; i < 5 * keys; i += 1) {
    const one = performance.now();
    await store.set(keyOf((i * 7919) % keys), VALUE);
    slowest = Math.max(slowest, performance.now() - one);
  }
  const overwrite = performance.now() - began;
  await new Promise((done) => setTimeout(done, 1500));
  const space = bytesOf(directory) / (keys * (VALUE.length + 12));
  await store.close();
  return {
    'load 100,000, ms': load / scale,
    'overwrite all 5 times, ms': overwrite / scale,
    'slowest of these puts, ms': slowest,
    'space after, times what is live': space,
  };
}

const scale = Number(process.argv[2] ?? 1);
const only = process.argv.slice(3);
const results = {};
for (const [name, make] of Object.entries(STORES)) {
  if (only.length > 0 && !only.includes(name)) continue;
  const root = mkdtempSync(join(tmpdir(), 'siltdb-bench-'));
  try {
    const store = await make(join(root, 'store'));
    results[name] = await measure(store, scale);
    await store.close();
    Object.assign(results[name], await churn(make, join(root, 'churn'), scale));
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}
console.log(table(results));
