// One format: stores go between the browser, Node and the command line as they are.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Engine, loadEngine } from '../../build/js/engine.js';
import { NodeStorage } from '../../build/js/node-fs.js';
import { NOW_MS, OPTIONS, filesIn, requests, seeded } from '../script.mjs';
import { inChromium, scratch } from './harness.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const silt = process.env.SILT ?? join(here, '../../../target/debug/silt');
const run = (db, ...args) => execFileSync(silt, ['--db', db, ...args], { encoding: 'utf8' });

const site = inChromium();
let page;

async function filesOf(store) {
  const all = await page.evaluate((store) => files(store), store);
  return Object.fromEntries(Object.entries(all).filter(([name]) => /^\d{16}\./.test(name)).sort());
}

function rows(text) {
  return text.split('\n').filter(Boolean).map((line) => line.split('\t'));
}

test('a store of the command line opens in OPFS, and comes back with what was added', async () => {
  page = await site.page();
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

test('the same script gives the same bytes in OPFS and in Node', async () => {
  page = await site.page();
  const folder = join(scratch(), 'node');
  loadEngine(readFileSync(join(here, '../../build/js/siltdb.wasm')));
  const storage = new NodeStorage(folder);
  const engine = Engine.open(storage, { ...OPTIONS, now: () => NOW_MS, random: seeded() });
  for (const request of requests()) engine.execute(0, request);
  engine.close();
  const text = requests().map((request) => Buffer.from(request).toString('base64'));
  await page.evaluate(async ([options, text]) => {
    const s = await open_('script', options, 'seed=42');
    for (const request of text) {
      await s.channel.send(Uint8Array.from(atob(request), (c) => c.charCodeAt(0)));
    }
    await s.close();
  }, [OPTIONS, text]);
  const inNode = filesIn(folder);
  const inBrowser = await filesOf('script');
  assert.deepEqual(Object.keys(inBrowser), Object.keys(inNode));
  assert.ok(Object.keys(inNode).length > 5);
  for (const name of Object.keys(inNode)) assert.ok(inBrowser[name] === inNode[name], name);
});
