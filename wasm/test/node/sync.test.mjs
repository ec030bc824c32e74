// `siltdb/sync`: the verbs that answer at once.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { ask, bytes as text } from './helpers.mjs';
import { Engine } from '../../build/js/engine.js';
import { NodeStorage } from '../../build/js/node-fs.js';
import { decodeGet, encodeGet } from '../../build/js/wire.js';
import { utf8 as other } from '../../dist/node.js';
import { bytes, importFileSync, json, openSync } from '../../dist/sync-node.js';
import { structured, tuple, utf8 } from '../../dist/sync-node.js';

function folder(t) {
  const root = mkdtempSync(join(tmpdir(), 'siltdb-sync-'));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  return join(root, 'store');
}

test('every verb, at once', (t) => {
  const directory = folder(t);
  const db = openSync(directory, { durability: 'flushed', retention: 'forever' });
  const first = db.set('a', 1);
  assert.equal(first.durability, 'flushed');
  db.batch().set('b', 2).set('c', 3).commit({ durability: 'synced' });
  assert.deepEqual(db.getMany(['a', 'x', 'c']), [1, undefined, 3]);
  assert.equal(db.getRecord('a').seq, first.seq);
  assert.deepEqual([...db.entries({ gte: 'b' })], [['b', 2], ['c', 3]]);
  assert.deepEqual([...db.keys({ reverse: true, limit: 2 })], ['c', 'b']);
  assert.equal(db.update('a', (n) => n + 1), 2);
  assert.equal(db.get('a', { at: first.seq }), 1);
  assert.deepEqual(db.history('a').map(({ value }) => value), [2, 1]);
  assert.throws(() => db.set('a', 0, { ifAbsent: true }), { code: 'SILT_CONDITION_FAILED' });
  const held = db.snapshot();
  db.delete('b');
  assert.equal(held.get('b'), 2);
  assert.equal(db.has('b'), false);
  held.close();
  assert.deepEqual(db.diff(first.seq, db.flush()).map(({ key }) => key), ['a', 'c']);
  const part = db.sub('part/', { keys: tuple, values: structured });
  part.set([1], new Set([1]));
  assert.deepEqual([...part.values()], [new Set([1])]);
  const copy = `${directory}-copy`;
  importFileSync(copy, Buffer.concat(db.exportFile()));
  db.close();
  assert.throws(() => db.get('a'), { code: 'SILT_CLOSED' });
  const again = openSync(directory);
  assert.throws(() => openSync(directory), { code: 'SILT_LOCKED' });
  again.close();
  const other = openSync(copy);
  assert.equal(other.get('a'), 2);
  assert.equal(other.count(), 3);
  other.close();
});

test('a long range is one moment, and what is left of it is given back', (t) => {
  const db = openSync(folder(t), { backend: 'memory' });
  for (let i = 0; i < 5000; i += 1) db.set(`k${String(i).padStart(4, '0')}`, i);
  let seen = 0;
  for (const value of db.values()) {
    if (seen === 0) db.set('k4000', 'changed');
    assert.equal(value, seen);
    seen += 1;
  }
  assert.equal(seen, 5000);
  for (const key of db.keys()) {
    assert.equal(key, 'k0000');
    break;
  }
  assert.equal(db.deleteRange().count, 5000);
  db.close();
});

test('overwriting for long does not fill the disk, though nothing ever waits', (t) => {
  const db = openSync(folder(t), { durability: 'flushed', segmentBytes: 1 << 20 });
  const pad = 'x'.repeat(1000);
  for (let round = 0; round < 20; round += 1) {
    for (let i = 0; i < 1000; i += 1) db.set(`k${i}`, pad + round);
  }
  const { fileBytes, liveBytes } = db.stats();
  assert.ok(fileBytes < liveBytes * 4, `${fileBytes} bytes for ${liveBytes}`);
  db.close();
});

test('a transaction reads its own writes, and commits all of them or none', (t) => {
  const db = openSync(folder(t), { durability: 'flushed' });
  db.batch().set('a', 1).set('b', 2).set('c', 3).commit();
  const part = db.sub('part/', { keys: tuple });
  const before = db.stats().commits;
  const sum = db.transaction((tx) => {
    tx.delete('b');
    tx.set('aa', 10);
    tx.in(part).set([1], 'x');
    assert.equal(tx.has('b'), false);
    assert.equal(tx.in(part).get([1]), 'x');
    const all = [...tx.entries({ lt: 'p' })];
    assert.deepEqual(all, [['a', 1], ['aa', 10], ['c', 3]]);
    assert.deepEqual([...tx.entries({ lt: 'p', reverse: true, limit: 2 })], [['c', 3], ['aa', 10]]);
    assert.equal(db.get('b'), 2);
    return all.reduce((total, [, n]) => total + n, 0);
  });
  assert.equal(sum, 14);
  assert.equal(db.stats().commits, before + 1);
  assert.deepEqual([...db.keys({ lt: 'p' })], ['a', 'aa', 'c']);
  assert.equal(part.get([1]), 'x');
  assert.throws(() => db.transaction((tx) => {
    tx.set('a', 'never');
    throw new TypeError('mine');
  }), TypeError);
  assert.throws(() => db.transaction(async (tx) => tx.set('a', 'never')), { code: 'SILT_INVALID' });
  assert.throws(() => db.transaction((tx) => tx.set('a', 1), { durability: 'hard' }),
    { code: 'SILT_INVALID' });
  assert.equal(db.get('a'), 1);
  assert.equal(db.transaction(() => 5), 5);
  db.close();
});

test('what is asynchronous is not stored in place of what it will be', async () => {
  const db = openSync('x', { backend: 'memory' });
  for (const values of [json, structured, utf8, bytes]) {
    const part = db.sub('part/', { values });
    assert.throws(() => part.set('a', Promise.resolve('never')), { code: 'SILT_INVALID' });
    assert.throws(() => part.update('a', async () => { throw new TypeError('mine'); }),
      { code: 'SILT_INVALID', message: /must not be asynchronous/ });
    assert.equal(part.has('a'), false);
  }
  const own = db.sub('own/', { values: { ...utf8, encode: () => new Uint8Array(1) } });
  assert.throws(() => own.update('a', async () => 1), { code: 'SILT_INVALID' });
  assert.equal(own.has('a'), false);
  db.close();
});

test('text is read right, by the codec of either entry, and what is none is refused', async () => {
  const texts = ['', 'a', 'ascii'.repeat(20), 'gr\u00fcn', '\ufffd', '\ufeffx', '\u{1f600}'.repeat(50),
    'long'.repeat(9000), '\u20ac'.repeat(70_000), 'longest'.repeat(50_000)];
  for (const values of [utf8, other]) {
    const db = openSync('x', { backend: 'memory', values });
    texts.forEach((text, i) => db.set(`k${i}`, text));
    assert.deepEqual(texts.map((_, i) => db.get(`k${i}`)), texts);
    assert.deepEqual([...db.values()], texts);
    const whole = db.sub('k', { values: bytes });
    whole.set('0', Uint8Array.of(0x61, 0xff));
    assert.throws(() => db.get('k0'), { code: 'SILT_INVALID' });
    assert.throws(() => [...db.values()], { code: 'SILT_INVALID' });
    // What only begins as that codec keeps its own way.
    const loud = db.sub('k', { values: { ...values, decode: (raw) => `${raw.length} bytes` } });
    assert.equal(loud.get('0'), '2 bytes');
    db.close();
  }
});

test('a key is found under all that it may be, in a part of the store, too', () => {
  const names = ['a', 'gr\u00fcn', '\ufffd', '\u{1f600}'.repeat(20), 'long'.repeat(50), 'x'.repeat(40)];
  const db = openSync('x', { backend: 'memory', values: utf8 });
  for (const part of [db, db.sub('part/'), db.sub('\u00fc/')]) {
    names.forEach((name, i) => part.batch([{ type: 'set', key: name, value: `${i}` }]));
    assert.deepEqual(names.map((name) => part.get(name)), names.map((_, i) => `${i}`));
    assert.deepEqual(names.map((name) => part.get(`${name}\u00fc`)), names.map(() => undefined));
    for (const none of ['\ud800', `${'x'.repeat(50)}\udc00`, 5]) {
      assert.throws(() => part.get(none), { code: 'SILT_INVALID' });
    }
    assert.throws(() => part.get('x'.repeat(70_000)), { code: 'SILT_KEY_TOO_LONG' });
  }
  // What a codec throws is not the engine's.
  const odd = new RangeError('odd');
  const own = db.sub('own/', { keys: { ...utf8, encode: () => { throw odd; } } });
  assert.throws(() => own.get('a'), odd);
  db.close();
});

test('long checksums are the same, whoever computes them', (t) => {
  const directory = folder(t);
  const long = (i) => Uint8Array.from({ length: 5000 + 999 * i }, (_, at) => (at * at) >> i);
  const db = openSync(directory, { values: bytes });
  for (let i = 0; i < 8; i += 1) db.set(`k${i}`, long(i));
  db.close();
  // This engine was not told of those of Node.
  const storage = new NodeStorage(directory);
  const engine = Engine.open(storage);
  for (let i = 0; i < 8; i += 1) {
    const { value } = ask(engine, (w) => encodeGet(w, text(`k${i}`)), decodeGet);
    assert.deepEqual(value, long(i));
  }
  engine.close();
  storage.shutSync();
  const again = openSync(directory, { values: bytes });
  for (let i = 0; i < 8; i += 1) assert.deepEqual(again.get(`k${i}`), long(i));
  again.close();
});
