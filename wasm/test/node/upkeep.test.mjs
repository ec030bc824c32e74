// What the engine does beside requests: one sync for many, space given back.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openOver } from '../../build/js/sync-client.js';
import { Engine } from '../../build/js/engine.js';
import { MemoryStorage } from '../../build/js/memory.js';
import * as wire from '../../build/js/wire.js';
import { bytes, random } from './helpers.mjs';

/** Counts syncs; the next ones fail on request. */
class Counting extends MemoryStorage {
  syncs = 0;
  fails = false;

  sync(handle) {
    if (this.fails) throw Object.assign(new Error('made by the test'), { code: 'SILT_IO' });
    this.syncs += 1;
    super.sync(handle);
  }
}

const put = (w, key, durability) =>
  wire.encodeWrite(w, [{ key: bytes(key), value: bytes('v') }], durability);

test('synced writes of one request share a sync', () => {
  const storage = new Counting();
  const engine = Engine.open(storage, {});
  const w = new wire.Writer();
  put(w, 'first', 'flushed');
  engine.execute(1, w.take());
  assert.equal(storage.syncs, 0);
  put(w, 'a', 'synced');
  wire.encodeGet(w, bytes('a'));
  put(w, 'b', 'flushed');
  put(w, 'c', 'synced');
  put(w, 'd', 'buffered');
  wire.encodeDeleteRange(w, { prefix: bytes('c') }, 'synced');
  put(w, 'e', 'buffered');
  const r = new wire.Reader(engine.execute(1, w.take()));
  const a = wire.decodeWrite(r);
  assert.equal(wire.decodeGet(r).seq, a.seq);
  const rest = Array.from({ length: 5 }, (_, at) =>
    at === 3 ? wire.decodeDeleteRange(r) : wire.decodeWrite(r));
  assert.ok(r.done);
  assert.deepEqual([a, ...rest].map(({ durability }) => durability),
    ['synced', 'flushed', 'synced', 'buffered', 'synced', 'buffered']);
  assert.ok(rest.every(({ seq }, i) => seq > (rest[i - 1] ?? a).seq));
  assert.equal(rest[3].count, 1);
  assert.equal(storage.syncs, 1);
  wire.encodePlain(w, wire.STATS);
  const { durableSeq, lastSeq } = wire.decodeJson(new wire.Reader(engine.execute(1, w.take())));
  assert.ok(durableSeq >= rest[3].seq && durableSeq <= lastSeq);
  engine.close();
});

test('a sync that fails takes the answers back that it was for', () => {
  const storage = new Counting();
  const engine = Engine.open(storage, {});
  const w = new wire.Writer();
  storage.fails = true;
  put(w, 'a', 'flushed');
  put(w, 'b', 'synced');
  wire.encodeHas(w, bytes('b'));
  put(w, 'c', 'synced');
  put(w, 'd', 'flushed');
  const r = new wire.Reader(engine.execute(1, w.take()));
  assert.equal(wire.decodeWrite(r).durability, 'flushed');
  assert.throws(() => wire.decodeWrite(r), { code: 'SILT_IO' });
  assert.equal(wire.decodeHas(r), true);
  assert.throws(() => wire.decodeWrite(r), { code: 'SILT_IO' });
  assert.equal(wire.decodeWrite(r).durability, 'flushed');
  assert.ok(r.done);
  put(w, 'e', 'flushed');
  assert.throws(() => wire.decodeWrite(new wire.Reader(engine.execute(1, w.take()))),
    { code: 'SILT_POISONED' });
});

test('what is overwritten gives its space back, without being asked and while writing goes on',
  async () => {
    const storage = new MemoryStorage();
    const db = openOver(storage, {});
    const draw = random(3);
    const keys = 20_000;
    const name = (i) => `key/${String(i).padStart(8, '0')}`;
    const live = keys * (12 + 102);
    const size = () => storage.list().reduce((sum, [, length]) => sum + length, 0);
    const newest = [];
    const fill = (i) => (newest[i] = `${draw(1e9)}`.padEnd(100, 'x'));
    for (let i = 0; i < keys; i += 1) db.set(name(i), fill(i));
    let most = 0;
    for (let i = 0; i < 5 * keys; i += 1) {
      const at = draw(keys);
      db.set(name(at), fill(at));
      if (i % 1000 === 0) most = Math.max(most, size());
    }
    // Inputs and output of a rewriting are there together.
    assert.ok(most < 5 * live, `${most / live} times what is live`);
    const until = Date.now() + 20_000;
    while (size() > 1.5 * live && Date.now() < until) await new Promise((r) => setTimeout(r, 50));
    assert.ok(size() <= 1.5 * live, `${size() / live} times what is live`);
    let seen = 0;
    for (const [key, value] of db.entries()) {
      assert.equal(value, newest[Number(key.slice(4))]);
      seen += 1;
    }
    assert.equal(seen, keys);
    db.close();
  });

test('history that is kept is not rewritten again and again', async () => {
  const storage = new MemoryStorage();
  const db = openOver(storage, { retention: 'forever' });
  for (let i = 0; i < 30_000; i += 1) db.set(`key/${i % 500}`, 'x'.repeat(100));
  await new Promise((r) => setTimeout(r, 700));
  const { records, bytesCompacted, bytesAppended } = db.stats();
  assert.equal(records, 30_000);
  assert.ok(bytesCompacted <= bytesAppended, `${bytesCompacted} of ${bytesAppended}`);
  db.close();
});
