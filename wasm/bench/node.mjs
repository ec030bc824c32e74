// Stores in Node, side by side, in directories of one disk: node node.mjs [SCALE [STORE...]]
//
// Stores take turns within a row, each in a directory of its own. What they answer is compared.

import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ClassicLevel } from 'classic-level';
import * as lmdb from 'lmdb';
import { open, utf8 } from '../dist/node.js';
import { openSync } from '../dist/sync-node.js';
import { keyOf, load, measure, ROWS, same, scattered, valueOf } from './rows.mjs';

// Compiled when it is installed, which not every machine can.
const Sqlite = await import('better-sqlite3').then((m) => m.default, () => undefined);

const STORES = {
  async 'siltdb'(directory, synced) {
    const durability = synced ? 'synced' : 'flushed';
    const db = await open(directory, { values: utf8, durability });
    return {
      set: (key, value) => db.set(key, value),
      batch: (pairs) => db.batch(pairs.map(([key, value]) => ({ type: 'set', key, value }))),
      get: (key) => db.get(key),
      getMany: (keys) => db.getMany(keys),
      range: (gte, limit) => db.entries({ gte, limit }).all(),
      close: () => db.close(),
    };
  },
  async 'siltdb/sync'(directory, synced) {
    const durability = synced ? 'synced' : 'flushed';
    const db = openSync(directory, { values: utf8, durability });
    return {
      set: (key, value) => db.set(key, value),
      batch: (pairs) => db.batch(pairs.map(([key, value]) => ({ type: 'set', key, value }))),
      get: (key) => db.get(key),
      getMany: (keys) => db.getMany(keys),
      range: (gte, limit) => [...db.entries({ gte, limit })],
      close: () => db.close(),
    };
  },
  async 'classic-level'(directory, synced) {
    const db = new ClassicLevel(directory);
    await db.open();
    return {
      set: (key, value) => db.put(key, value, { sync: synced }),
      batch: (pairs) => db.batch(pairs.map(([key, value]) => ({ type: 'put', key, value }))),
      get: (key) => db.get(key),
      getMany: (keys) => db.getMany(keys),
      range: (gte, limit) => db.iterator({ gte, limit }).all(),
      close: () => db.close(),
    };
  },
  async 'lmdb'(directory, synced) {
    // Its commits are made in the background; synced is what `flushed` waits for.
    const db = lmdb.open({ path: directory, encoding: 'string' });
    return {
      set: synced
        ? (key, value) => db.put(key, value).then(() => db.flushed)
        : (key, value) => db.put(key, value),
      batch: (pairs) => db.transaction(() => pairs.forEach(([key, value]) => db.put(key, value))),
      get: (key) => db.get(key),
      getMany: (keys) => db.getMany(keys),
      range: (start, limit) => [...db.getRange({ start, limit })].map(({ value }) => value),
      close: () => db.close(),
    };
  },
};

if (Sqlite) {
  STORES['better-sqlite3'] = async (directory, synced) => {
    mkdirSync(directory);
    const db = new Sqlite(join(directory, 'db'));
    db.pragma('journal_mode = WAL');
    db.pragma(`synchronous = ${synced ? 'full' : 'normal'}`);
    db.exec('CREATE TABLE kv (k TEXT PRIMARY KEY, v TEXT) WITHOUT ROWID');
    const put = db.prepare('INSERT OR REPLACE INTO kv VALUES (?, ?)');
    const get = db.prepare('SELECT v FROM kv WHERE k = ?').pluck();
    const range = db.prepare('SELECT k, v FROM kv WHERE k >= ? ORDER BY k LIMIT ?').raw();
    const many = db.transaction((pairs) => pairs.forEach(([key, value]) => put.run(key, value)));
    return {
      set: (key, value) => put.run(key, value),
      batch: (pairs) => many(pairs),
      get: (key) => get.get(key),
      getMany: (keys) => keys.map((key) => get.get(key)),
      range: (from, limit) => range.all(from, limit),
      close: () => db.close(),
    };
  };
}

const bytesOf = (directory) => readdirSync(directory, { withFileTypes: true })
  .reduce((sum, entry) => sum + (entry.isFile() ? statSync(join(directory, entry.name)).size : 0), 0);

/** 100,000 keys loaded in batches of 1,000, then all overwritten five times, one by one. */
async function churn(make, directory, scale) {
  const keys = Math.round(100_000 * scale);
  const store = await make(directory, false);
  let began = performance.now();
  await load(store, keys);
  const loading = performance.now() - began;
  began = performance.now();
  let slowest = 0;
  for (let i = 0; i < 5 * keys; i += 1) {
    const one = performance.now();
    await store.set(keyOf(scattered(i, keys)), valueOf(i));
    slowest = Math.max(slowest, performance.now() - one);
  }
  const overwrite = performance.now() - began;
  await new Promise((done) => setTimeout(done, 1500));
  const live = keys * (keyOf(0).length + valueOf(0).length);
  const taken = bytesOf(directory);
  if (taken < live) throw new Error(`${taken} bytes on disk, ${live} are live`);
  for (let i = 4 * keys; i < 5 * keys; i += 1) {
    same([await store.get(keyOf(scattered(i, keys)))], [valueOf(i)]);
  }
  await store.close();
  return {
    'load 100,000, ms': loading / scale,
    'overwrite all 5 times, ms': overwrite / scale,
    'slowest of these puts, ms': slowest,
    'space after, times what is live': taken / live,
  };
}

const scale = Number(process.argv[2] ?? 1);
const only = process.argv.slice(3);
const names = Object.keys(STORES).filter((name) => only.length === 0 || only.includes(name));
const results = {};
const root = mkdtempSync(join(tmpdir(), 'siltdb-bench-'));
process.on('exit', () => rmSync(root, { recursive: true, force: true }));

/** Runs what gives figures of a store, in a directory of its own. */
async function add(name, row, run) {
  const directory = join(root, 'store');
  try {
    for (const [row, figure] of Object.entries(await run(directory))) {
      (results[row] ??= {})[name] = figure;
    }
  } catch (error) {
    console.error(`${name}, ${row}: ${error.message}`);
    process.exitCode = 1;
  }
  rmSync(directory, { recursive: true, force: true });
}

for (const row of Object.keys(ROWS)) {
  for (const name of names) {
    await add(name, row, async (directory) => ({
      [row]: await measure((synced) => STORES[name](directory, synced), row, scale),
    }));
  }
}
for (const name of names) {
  await add(name, 'overwriting', (directory) => churn(STORES[name], directory, scale));
}
const line = (cells) => `| ${cells.join(' | ')} |`;
console.log(line(['microseconds', ...names]));
console.log(line(['---', ...names.map(() => '---:')]));
for (const [row, figures] of Object.entries(results)) {
  console.log(line([row, ...names.map((name) => figures[name]?.toFixed(1) ?? '')]));
}
