// One format: stores go between the browser, Node and the command line as they are.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Writer } from '../../build/js/bytes.js';
import { Engine, loadEngine } from '../../build/js/engine.js';
import { NodeStorage } from '../../build/js/node-fs.js';
import { encodePlain, encodeWrite, SYNC } from '../../build/js/wire.js';
import { newPage, scratch, serve, start } from './harness.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const silt = process.env.SILT ?? join(here, '../../../target/debug/silt');
const run = (db, ...args) => execFileSync(silt, ['--db', db, ...args], { encoding: 'utf8' });

let server, chrome, page;
before(async () => {
  server = await serve();
  chrome = await start(scratch());
  page = await newPage(chrome.context, server.url);
});
after(async () => {
  await chrome?.close();
  await server?.close();
});

function filesIn(folder) {
  const names = readdirSync(folder).filter((name) => /\d{16}\.(segment|manifest)$/.test(name));
  return Object.fromEntries(names.sort().map((name) => {
    return [name, readFileSync(join(folder, name)).toString('base64')];
  }));
}

async function filesOf(store) {
  const all = await page.evaluate((store) => files(store), store);
  return Object.fromEntries(Object.entries(all).filter(([name]) => /^\d{16}\./.test(name)).sort());
}

function rows(text) {
  return text.split('\n').filter(Boolean).map((line) => line.split('\t'));
}

test('a store of the command line opens in OPFS, and comes back with what was added', async () => {
  const db = join(scratch(), 'native');
  const lines = Array.from({ length: 300 }, (_, i) => `n${i}\tvalue ${i}`);
  execFileSync(silt, ['--db', db, 'import', '--format', 'tsv', '-'], { input: lines.join('\n') });
  run(db, 'del', 'n7');
  run(db, 'set', 'n8', 'again');
  const native = rows(run(db, 'scan'));
  assert.equal(native.length, 299);
  await page.evaluate((given) => putFiles('moved', given), filesIn(db));
  const read = await page.evaluate(async () => {
    const s = await open_('moved', { segmentBytes: 64 * 1024 });
    const read = await s.all();
    for (let i = 0; i < 60; i += 1) {
      await s.set(`w${i}`, 'w'.repeat(3000), i % 7 ? 'flushed' : 'synced');
    }
    await s.set('n9', 'from the browser');
    await s.close();
    return read;
  });
  assert.deepEqual(read, native);
  const back = join(scratch(), 'back');
  mkdirSync(back);
  for (const [name, text] of Object.entries(await filesOf('moved'))) {
    writeFileSync(join(back, name), Buffer.from(text, 'base64'));
  }
  run(back, 'verify');
  const after = new Map(rows(run(back, 'scan')));
  assert.equal(after.size, 359);
  assert.equal(after.get('n9'), 'from the browser');
  assert.equal(after.get('w59'), 'w'.repeat(3000));
  assert.equal(run(back, 'get', 'n8'), 'again');
});

/** The same bits on every run. */
function seeded() {
  let state = 42n;
  return () => {
    state = BigInt.asUintN(64, state * 6364136223846793005n + 1442695040888963407n);
    return state;
  };
}

/** The same writes everywhere: batches, overwrites, deletes, of sizes that cross segments. */
function script() {
  const next = seeded();
  const below = (limit) => Number((next() >> 33n) % BigInt(limit));
  const encoder = new TextEncoder();
  return Array.from({ length: 300 }, (_, i) => {
    const w = new Writer();
    const writes = Array.from({ length: 1 + below(8) }, () => {
      const key = encoder.encode(`key ${below(200)}`);
      if (below(5) === 0) return { key };
      return { key, value: new Uint8Array(below(3000)).fill(below(256)) };
    });
    encodeWrite(w, writes, below(10) === 0 ? 'synced' : 'flushed');
    if (i % 50 === 49) encodePlain(w, SYNC);
    return w.take();
  });
}

test('the same script gives the same bytes in OPFS and in Node', async () => {
  const options = { segmentBytes: 128 * 1024, autoCompact: false, durability: 'flushed' };
  const requests = script();
  const folder = join(scratch(), 'node');
  loadEngine(readFileSync(join(here, '../../build/js/siltdb.wasm')));
  const storage = new NodeStorage(folder);
  const random = seeded();
  const engine = Engine.open(storage, { ...options, now: () => 1_700_000_000_000, random });
  for (const request of requests) engine.execute(0, request);
  engine.close();
  const text = requests.map((request) => Buffer.from(request).toString('base64'));
  await page.evaluate(async ([options, text]) => {
    const s = await open_('script', options, 'seed=42');
    for (const request of text) {
      await s.channel.send(Uint8Array.from(atob(request), (c) => c.charCodeAt(0)));
    }
    await s.close();
  }, [options, text]);
  const inNode = filesIn(folder);
  const inBrowser = await filesOf('script');
  assert.deepEqual(Object.keys(inBrowser), Object.keys(inNode));
  assert.ok(Object.keys(inNode).length > 10);
  for (const name of Object.keys(inNode)) assert.ok(inBrowser[name] === inNode[name], name);
});
