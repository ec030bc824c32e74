// Looking into the files of a store: parts of segments, raw bytes, and what an open found.

import assert from 'node:assert/strict';
import {
  copyFileSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { open } from '../../dist/node.js';
import { openSync } from '../../dist/sync-node.js';
import { random, text } from './helpers.mjs';

/** Where a test has its stores, and what ends them. */
function place(t) {
  const base = mkdtempSync(join(tmpdir(), 'siltdb-inspect-'));
  const opened = [];
  t.after(async () => {
    for (const db of opened) await db.close();
    rmSync(base, { recursive: true, force: true });
  });
  return { directory: join(base, 'store'), held: (db) => (opened.push(db), db) };
}

/** Every part of a segment, page by page. */
async function partsOf(db, segment, limit) {
  const all = [];
  for (let from = 0; from !== undefined; ) {
    const { parts, next } = await db.records(segment, { from, limit });
    assert.ok(parts.length > 0 && (next === undefined || next > from));
    all.push(...parts);
    from = next;
  }
  return all;
}

/** A copy of the store's files as a crash would leave them. */
function crashed(directory) {
  const copy = `${directory}-copy`;
  mkdirSync(copy);
  for (const name of readdirSync(directory)) {
    if (/\.(segment|manifest)$/.test(name)) copyFileSync(join(directory, name), join(copy, name));
  }
  return copy;
}

const newestSegment = (directory) =>
  join(directory, readdirSync(directory).filter((name) => name.endsWith('.segment')).sort().pop());

test('every record of every segment is told once, with what became of it', async (t) => {
  const { directory, held } = place(t);
  const db = held(await open(directory, {
    durability: 'flushed', segmentBytes: 8192, retention: 'forever', autoCompact: false,
  }));
  const draw = random(7);
  const newest = new Map();
  let versions = 0;
  for (let i = 0; i < 1500; i += 1) {
    const key = `k${draw(200)}`;
    if (draw(9) === 0) newest.set(key, { seq: (await db.delete(key)).seq, tombstone: true });
    else newest.set(key, { seq: (await db.set(key, 'v'.repeat(draw(300)))).seq });
    versions += 1;
    if (i === 700) await db.compact();
  }
  const live = new Map();
  let seen = 0;
  const kinds = new Set();
  for (const { segment, file, fileBytes, records } of await db.segments()) {
    const parts = await partsOf(db, segment, 37);
    assert.deepEqual(parts, await partsOf(db, segment));
    const found = parts.filter(({ kind }) => kind === 'record');
    assert.equal(found.length, records);
    seen += records;
    for (const part of parts) {
      kinds.add(part.kind);
      assert.ok(part.length > 0 && part.offset + part.length <= fileBytes);
    }
    assert.deepEqual(parts[0].kind, 'segment');
    assert.equal(parts[0].number, segment);
    for (const record of found) {
      const key = text(record.key);
      assert.equal(record.tombstone, record.state === 'tombstone');
      if (record.state === 'live') {
        assert.ok(!live.has(key), `${key} is live twice`);
        live.set(key, record.seq);
      }
      const raw = await db.bytes(file, record.offset, record.length);
      assert.ok(Buffer.from(raw).includes(Buffer.from(record.key)));
      assert.deepEqual(raw, await db.bytes(segment, record.offset, record.length));
    }
    const middle = found[found.length >> 1];
    const rest = await db.records(segment, { from: middle.offset, limit: 1 });
    assert.deepEqual(rest.parts[0], middle);
  }
  assert.equal(seen, versions);
  for (const [key, { seq, tombstone }] of newest) {
    assert.equal(live.get(key), tombstone ? undefined : seq, key);
  }
  const all = ['fences', 'filter', 'footer', 'group', 'record', 'segment', 'table'];
  assert.deepEqual([...kinds].sort(), all);
});

test('bytes of every file are those on the disk', async (t) => {
  const { directory, held } = place(t);
  const db = held(openSync(directory, { durability: 'flushed' }));
  for (let i = 0; i < 3000; i += 1) db.set(`k${i}`, 'x'.repeat(100));
  for (const name of readdirSync(directory).filter((n) => /\.(segment|manifest)$/.test(n))) {
    const file = readFileSync(join(directory, name));
    let at = 0;
    while (at < file.length) {
      const piece = db.bytes(name, at, 65_536);
      assert.ok(piece.length > 0);
      assert.ok(file.subarray(at, at + piece.length).equals(piece));
      at += piece.length;
    }
    assert.equal(db.bytes(name, file.length, 10).length, 0);
    assert.equal(db.bytes(name, file.length + 1000, 10).length, 0);
  }
});

test('what is asked wrongly is refused', async (t) => {
  const { directory, held } = place(t);
  const db = held(await open(directory, { durability: 'flushed' }));
  await db.set('a', 1);
  const [{ segment, file }] = await db.segments();
  const codes = [
    [db.records(segment + 1), 'SILT_NOT_FOUND'],
    [db.records(2 ** 52), 'SILT_NOT_FOUND'],
    [db.records(0), 'SILT_NOT_FOUND'],
    [db.records(-1), 'SILT_INVALID'],
    [db.records('x'), 'SILT_INVALID'],
    [db.records(segment, { from: 0.5 }), 'SILT_INVALID'],
    [db.bytes(file, 0, 65_537), 'SILT_INVALID'],
    [db.bytes(file, -1, 1), 'SILT_INVALID'],
    [db.bytes('LOCK', 0, 1), 'SILT_NOT_FOUND'],
    [db.bytes('../secret', 0, 1), 'SILT_NOT_FOUND'],
    [db.bytes('', 0, 1), 'SILT_NOT_FOUND'],
    [db.bytes(0, 0, 1), 'SILT_NOT_FOUND'],
    [db.bytes(99, 0, 1), 'SILT_NOT_FOUND'],
    [db.bytes('0000000000000099.manifest', 0, 1), 'SILT_NOT_FOUND'],
  ];
  for (const [asked, code] of codes) await assert.rejects(asked, { code });
  assert.deepEqual((await db.records(segment, { from: 1 << 30 })).parts, []);
  assert.equal(await db.get('a'), 1);
});

test('damage is told after everything before it', async (t) => {
  const { directory, held } = place(t);
  const db = await open(directory, { durability: 'flushed' });
  for (let i = 0; i < 500; i += 1) await db.set(`k${i}`, 'x'.repeat(50));
  await db.compact();
  const [{ segment, file }] = await db.segments();
  const whole = await partsOf(db, segment);
  await db.close();
  const records = whole.filter(({ kind }) => kind === 'record');
  const victim = records[300];
  const path = join(directory, file);
  const bytes = readFileSync(path);
  bytes[victim.offset + victim.length - 1] ^= 1;
  writeFileSync(path, bytes);
  const again = held(await open(directory));
  const { parts, next } = await again.records(segment, { limit: 10_000 });
  assert.deepEqual(parts.filter(({ kind }) => kind === 'record'), records.slice(0, 300));
  assert.equal(next, victim.offset);
  await assert.rejects(again.records(segment, { from: next }), { code: 'SILT_CORRUPT' });
});

test('an open tells how it found the store', async (t) => {
  const { directory } = place(t);
  let db = await open(directory, { durability: 'flushed' });
  const opened = async () => (await db.stats()).recovery;
  assert.deepEqual(await opened(), {
    created: true, clean: true, rewritten: false, segments: 0, logSegments: 0, logBytes: 0,
    records: 0, droppedBytes: 0, droppedRecords: 0, removedFiles: 0,
  });
  for (let i = 0; i < 10; i += 1) await db.set(`k${i}`, i);
  const whole = (await db.segments())[0].fileBytes;
  const batch = ['b1', 'b2', 'b3'].map((key) => ({ type: 'set', key, value: 'y'.repeat(100) }));
  await db.batch(batch);
  await db.batch(batch);
  const copy = crashed(directory);
  await db.close();
  db = await open(directory);
  const clean = await opened();
  assert.deepEqual([clean.created, clean.clean, clean.rewritten], [false, true, false]);
  assert.equal(clean.records, 16);
  await db.close();
  // The last append was cut: two records of its batch are whole, and dropped with it.
  const path = newestSegment(copy);
  const length = readFileSync(path).length;
  truncateSync(path, length - 20);
  db = await open(copy);
  const torn = await opened();
  assert.deepEqual([torn.created, torn.clean, torn.rewritten], [false, false, true]);
  assert.equal(torn.records, 13);
  assert.equal(torn.droppedRecords, 2);
  assert.equal(torn.logSegments, 1);
  assert.ok(torn.logBytes > whole);
  assert.equal(torn.logBytes + torn.droppedBytes, length - 20);
  assert.equal(await db.has('b3'), true);
  await db.close();
});
