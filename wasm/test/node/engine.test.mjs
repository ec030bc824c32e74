// The engine over the memory backend, by the wire format alone.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { memoryEngine, ask, bytes, recordsOf, text } from './helpers.mjs';
import { Engine } from '../../build/js/engine.js';
import { MemoryStorage } from '../../build/js/memory.js';
import * as wire from '../../build/js/wire.js';

const set = (engine, key, value, more = {}) =>
  ask(engine, (w) => wire.encodeWrite(w, [{ key: bytes(key), value: bytes(value), ...more }]),
    wire.decodeWrite);
const remove = (engine, key) =>
  ask(engine, (w) => wire.encodeWrite(w, [{ key: bytes(key) }]), wire.decodeWrite);
const get = (engine, key, moment) => {
  const found = ask(engine, (w) => wire.encodeGet(w, bytes(key), moment), wire.decodeGet);
  return found && text(found.value);
};
const scan = (engine, request) =>
  ask(engine, (w) => wire.encodeScan(w, { limit: 0, bytes: 0, ...request }), wire.decodeScan);
const keysOf = (answer) => recordsOf(answer).map((r) => text(r.key));

test('what was set is read until it is deleted', () => {
  const engine = memoryEngine();
  const first = set(engine, 'elbe', '1094');
  assert.deepEqual({ ...first, seq: 0 }, { seq: 0, durability: 'flushed', written: true });
  assert.equal(get(engine, 'elbe'), '1094');
  assert.equal(get(engine, 'rhine'), undefined);
  assert.ok(ask(engine, (w) => wire.encodeHas(w, bytes('elbe')), wire.decodeHas));
  assert.ok(remove(engine, 'elbe').seq > first.seq);
  assert.equal(get(engine, 'elbe'), undefined);
  assert.ok(!ask(engine, (w) => wire.encodeHas(w, bytes('elbe')), wire.decodeHas));
  engine.close();
});

test('many operations in one request are answered in order, and a failed one harms no other', () => {
  const engine = memoryEngine();
  const w = new wire.Writer();
  wire.encodeWrite(w, [{ key: bytes('a'), value: bytes('1') }]);
  wire.encodeWrite(w, [{ key: bytes(''), value: bytes('1') }]);
  wire.encodeWrite(w, [{ key: bytes('b'), value: bytes('2') }, { key: bytes('c'), value: bytes('') }], 'synced');
  wire.encodeGetMany(w, ['a', 'x', 'c', 'b'].map(bytes));
  const r = new wire.Reader(engine.execute(1, w.take()));
  const one = wire.decodeWrite(r);
  assert.throws(() => wire.decodeWrite(r), { code: 'SILT_KEY_EMPTY', name: 'SiltError' });
  const two = wire.decodeWrite(r);
  assert.equal(two.durability, 'synced');
  assert.ok(two.seq > one.seq);
  const values = wire.decodeGetMany(r).map((v) => v && text(v));
  assert.deepEqual(values, ['1', undefined, '', '2']);
  assert.ok(r.done);
});

test('writes of one request are appended at once, conditions among them seen', () => {
  const storage = new MemoryStorage();
  const engine = Engine.open(storage, {});
  set(engine, 'k', '0');
  let appends = 0;
  const append = storage.append.bind(storage);
  storage.append = (handle, piece) => {
    appends += 1;
    append(handle, piece);
  };
  const run = (...writes) => {
    const w = new wire.Writer();
    for (const [key, value, more] of writes) {
      wire.encodeWrite(w, [{ key: bytes(key), value: bytes(value), ...more }]);
    }
    wire.encodeGet(w, bytes('k'));
    return new wire.Reader(engine.execute(1, w.take()));
  };
  const r = run(['k', '1'], ['other', '1'], ['k', '2']);
  const seqs = [1, 2, 3].map(() => wire.decodeWrite(r)).map(({ seq, durability, written }) => {
    assert.deepEqual([durability, written], ['flushed', true]);
    return seq;
  });
  assert.ok(seqs[0] < seqs[1] && seqs[1] < seqs[2]);
  assert.equal(text(wire.decodeGet(r).value), '2');
  assert.equal(appends, 1);
  const history = ask(engine, (w) => wire.encodeHistory(w, bytes('k')), wire.decodeHistory);
  assert.deepEqual(history.map(({ value }) => text(value)), ['2', '1', '0']);

  const again = run(['k', '3'], ['k', '4', { ifSeq: seqs[2] }], ['new', '1', { ifSeq: null }]);
  wire.decodeWrite(again);
  assert.throws(() => wire.decodeWrite(again), { code: 'SILT_CONDITION_FAILED' });
  assert.equal(wire.decodeWrite(again).written, true);

  storage.append = () => {
    throw Object.assign(new Error('no space'), { code: 'SILT_OUT_OF_SPACE' });
  };
  const failed = run(['a', '1'], ['b', '1']);
  for (const _ of ['a', 'b']) {
    assert.throws(() => wire.decodeWrite(failed), { code: 'SILT_OUT_OF_SPACE' });
  }
});

test('conditions', () => {
  const engine = memoryEngine();
  const { seq } = set(engine, 'k', '1', { ifSeq: null });
  assert.throws(() => set(engine, 'k', '2', { ifSeq: null }),
    { code: 'SILT_CONDITION_FAILED', operation: 0, found: seq });
  assert.throws(() => set(engine, 'other', '2', { ifSeq: 7 }),
    { code: 'SILT_CONDITION_FAILED', found: 0 });
  assert.equal(get(engine, 'k'), '1');
  set(engine, 'k', '3', { ifSeq: seq });
  assert.equal(get(engine, 'k'), '3');
});

test('ranges, prefixes, reverse, limits', () => {
  const engine = memoryEngine();
  for (const key of ['a', 'b/1', 'b/2', 'b/3', 'c']) set(engine, key, key.toUpperCase());
  assert.deepEqual(keysOf(scan(engine, {})), ['a', 'b/1', 'b/2', 'b/3', 'c']);
  assert.deepEqual(keysOf(scan(engine, { prefix: bytes('b/') })), ['b/1', 'b/2', 'b/3']);
  assert.deepEqual(keysOf(scan(engine, { from: bytes('b/2'), to: bytes('c') })), ['b/2', 'b/3']);
  assert.deepEqual(keysOf(scan(engine, { reverse: true, limit: 2 })), ['c', 'b/3']);
  const keys = scan(engine, { keysOnly: true, limit: 1 });
  assert.ok(keys.more && recordsOf(keys)[0].value.length === 0);
  const whole = scan(engine, { prefix: bytes('b') });
  assert.deepEqual([whole.more, whole.count, text(whole.last)], [false, 3, 'b/3']);
  assert.equal(text(recordsOf(whole)[0].value), 'B/1');
  const none = scan(engine, { prefix: bytes('x') });
  assert.deepEqual([none.more, none.count, none.last.length], [false, 0, 0]);
  const count = ask(engine, (w) => wire.encodeCount(w, { prefix: bytes('b') }), wire.decodeNumber);
  assert.equal(count, 3);
  const deleted = ask(engine, (w) => wire.encodeDeleteRange(w, { prefix: bytes('b/') }, 'synced'),
    wire.decodeDeleteRange);
  assert.deepEqual([deleted.count, deleted.durability], [3, 'synced']);
  assert.deepEqual(keysOf(scan(engine, {})), ['a', 'c']);
});

for (const reverse of [false, true]) {
  test(`a kept scan goes on at its moment (reverse: ${reverse})`, () => {
    const engine = memoryEngine();
    const names = Array.from({ length: 50 }, (_, i) => `k${String(i).padStart(2, '0')}`);
    for (const name of names) set(engine, name, name);
    const seen = [];
    let range = {};
    for (let chunk = 0; ; chunk += 1) {
      const part = scan(engine, { ...range, reverse, keep: true, viewId: 9, limit: 7 });
      seen.push(...keysOf(part));
      // Written meanwhile, and not seen: the scan has its moment.
      set(engine, `k${chunk}x`, 'late');
      remove(engine, names[40]);
      if (!part.more) break;
      const { last } = part;
      range = reverse ? { to: last.slice() } : { from: bytes(`${text(last)}\0`) };
    }
    assert.deepEqual(seen, reverse ? names.toReversed() : names);
    // The last answer closed the view.
    assert.throws(() => get(engine, 'k00', { viewId: 9 }), { code: 'SILT_INVALID' });
  });
}

test('views and past moments', () => {
  const engine = memoryEngine({ retention: 'forever' });
  const first = set(engine, 'k', 'old').seq;
  const open = (n, at) => ask(engine, (w) => wire.encodeViewOpen(w, n, at), wire.decodeNumber);
  assert.equal(open(1), first);
  const second = set(engine, 'k', 'new').seq;
  const third = remove(engine, 'k').seq;
  assert.equal(open(2, second), second);
  assert.equal(get(engine, 'k', { viewId: 1 }), 'old');
  assert.equal(get(engine, 'k', { viewId: 2 }), 'new');
  assert.equal(get(engine, 'k', { at: first }), 'old');
  assert.equal(get(engine, 'k', { at: third }), undefined);
  assert.deepEqual(keysOf(scan(engine, { viewId: 2 })), ['k']);
  ask(engine, (w) => wire.encodeViewClose(w, 1), wire.decodeNothing);
  assert.throws(() => get(engine, 'k', { viewId: 1 }), { code: 'SILT_INVALID' });
  // Another client's view of the same number is another one.
  assert.throws(() => ask(engine, (w) => wire.encodeGet(w, bytes('k'), { viewId: 2 }),
    wire.decodeGet, 77), { code: 'SILT_INVALID' });
  engine.dropClient(1);
  assert.throws(() => get(engine, 'k', { viewId: 2 }), { code: 'SILT_INVALID' });
  const history = ask(engine, (w) => wire.encodeHistory(w, bytes('k')), wire.decodeHistory);
  assert.deepEqual(history.map((v) => [v.seq, v.value && text(v.value)]),
    [[third, undefined], [second, 'new'], [first, 'old']]);
  const newest = ask(engine, (w) => wire.encodeHistory(w, bytes('k'), 1), wire.decodeHistory);
  assert.equal(newest.length, 1);
  const diff = ask(engine, (w) => wire.encodeDiff(w, {}, first, third), wire.decodeDiff);
  assert.deepEqual(diff.map((d) => [text(d.key), text(d.before.value), d.before.seq, d.after]),
    [['k', 'old', first, undefined]]);
});

test('the change feed gives whole commits', () => {
  const engine = memoryEngine({ retention: 'forever' });
  const start = engine.lastSeq();
  const one = set(engine, 'a', '1').seq;
  const batch = ['b', 'c', 'd'].map((key) => ({ key: bytes(key), value: bytes('2') }));
  const two = ask(engine, (w) => wire.encodeWrite(w, batch), wire.decodeWrite).seq;
  const three = remove(engine, 'a').seq;
  const changes = (since, limit) =>
    ask(engine, (w) => wire.encodeChanges(w, since, limit, 0), wire.decodeChanges);
  const first = changes(start, 2);
  assert.deepEqual(first.changes.map((c) => [c.seq, text(c.key)]),
    [[one, 'a'], [two, 'b'], [two, 'c'], [two, 'd']]);
  assert.deepEqual([first.more, first.next], [true, two]);
  const rest = changes(first.next, 2);
  assert.deepEqual(rest.changes.map((c) => [c.seq, text(c.key), c.value]), [[three, 'a', undefined]]);
  assert.deepEqual([rest.more, rest.next], [false, three]);
  assert.deepEqual(changes(three, 0), { next: three, more: false, changes: [] });
});

test('expiry hides a record', () => {
  let now = 1_700_000_000_000;
  const engine = memoryEngine({ now: () => now });
  set(engine, 'k', 'v', { expires: (now + 10) * 1000 });
  const found = ask(engine, (w) => wire.encodeGet(w, bytes('k')), wire.decodeGet);
  assert.equal(found.expires, (now + 10) * 1000);
  now += 11;
  assert.equal(get(engine, 'k'), undefined);
});

test('a buffered write is written out when it is due, and synced after', () => {
  let now = 1_700_000_000_000;
  const engine = memoryEngine({ now: () => now, bufferMsMax: 20, syncIntervalMs: 100 });
  assert.equal(engine.tick(), -1);
  const written = ask(engine,
    (w) => wire.encodeWrite(w, [{ key: bytes('k'), value: bytes('v') }], 'buffered'), wire.decodeWrite);
  assert.equal(written.durability, 'buffered');
  assert.equal(engine.tick(), 20);
  now += 20;
  assert.equal(engine.tick(), 100);
  engine.takeSynced();
  now += 100;
  assert.equal(engine.tick(), -1);
  assert.ok(engine.takeSynced());
  assert.ok(!engine.takeSynced());
});

test('figures are JSON, and compaction goes in steps', () => {
  const engine = memoryEngine({ segmentBytes: 4096 });
  for (let i = 0; i < 400; i += 1) set(engine, `k${i % 20}`, 'v'.repeat(100));
  const json = (code) => ask(engine, (w) => wire.encodePlain(w, code), wire.decodeJson);
  const before = json(wire.STATS);
  assert.deepEqual([before.keys, before.records, before.retention], [20, 400, 'latest']);
  assert.equal(json(wire.SEGMENTS).length, before.segments);
  assert.ok(json(wire.PLAN)[0].segments.length > 1);
  assert.match(json(wire.INFO).storeId, /^[0-9a-f]{32}$/);
  let steps = 0;
  for (let done = 0; ; steps += 1) {
    const step = ask(engine, (w) => wire.encodeCompactStep(w, 1000), wire.decodeCompactStep);
    assert.ok(step.done >= done && step.done <= step.total);
    done = step.done;
    if (!step.more) break;
  }
  assert.ok(steps > 3, `${steps}`);
  const after = json(wire.STATS);
  assert.deepEqual([after.keys, after.records], [20, 20]);
  assert.ok(after.fileBytes < before.fileBytes / 5);
});

test('work compacts by itself, with time that the host gives', () => {
  const engine = memoryEngine({ segmentBytes: 4096 });
  for (let i = 0; i < 20_000; i += 1) set(engine, `k${i % 20}`, 'v'.repeat(100));
  const json = () => ask(engine, (w) => wire.encodePlain(w, wire.STATS), wire.decodeJson);
  const before = json();
  let calls = 0;
  while (engine.work(64 << 10)) assert.ok((calls += 1) < 10_000);
  assert.ok(json().fileBytes < before.fileBytes / 2, `${before.fileBytes} ${json().fileBytes}`);
  assert.equal(engine.work(64 << 10), false);
});

test('retention is set and told', () => {
  const engine = memoryEngine({ retention: { versions: 3 } });
  const ruled = (rule) => ask(engine, (w) => wire.encodeRetention(w, rule), wire.decodeRetention);
  assert.deepEqual(ruled(), { kind: 2, amount: 3 });
  assert.deepEqual(ruled({ kind: 1, amount: 5_000_000 }), { kind: 1, amount: 5_000_000 });
  assert.throws(() => ruled({ kind: 2, amount: 0 }), { code: 'SILT_INVALID' });
  assert.deepEqual(ruled(), { kind: 1, amount: 5_000_000 });
});
