// The client as a program in Node uses it: every verb, over memory and over a directory.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { SiltError, bytes, destroy, importFile, open, structured } from '../../dist/node.js';
import { tuple, utf8 } from '../../dist/node.js';
import { importFileSync, openSync } from '../../dist/sync-node.js';

/** Opens a store for a test, and ends it with it. */
async function store(t, options = {}) {
  const directory = join(mkdtempSync(join(tmpdir(), 'siltdb-client-')), 'store');
  const db = await open(directory, { durability: 'flushed', ...options });
  t.after(async () => {
    await db.close();
    rmSync(join(directory, '..'), { recursive: true, force: true });
  });
  return Object.assign(db, { directory });
}

for (const backend of ['memory', 'node-fs']) {
  test(`values come back, and go (${backend})`, async (t) => {
    const db = await store(t, { backend });
    assert.equal(await db.get('a'), undefined);
    const first = await db.set('a', { n: 1, list: [true, null, 'x'] });
    assert.equal(first.durability, 'flushed');
    assert.deepEqual(await db.get('a'), { n: 1, list: [true, null, 'x'] });
    assert.deepEqual(await db.getRecord('a'), {
      value: { n: 1, list: [true, null, 'x'] },
      seq: first.seq,
      expires: undefined,
    });
    assert.deepEqual(await db.getMany(['x', 'a']), [undefined, { n: 1, list: [true, null, 'x'] }]);
    assert.equal(await db.has('a'), true);
    const gone = await db.delete('a');
    assert.ok(gone.seq > first.seq);
    assert.equal(await db.has('a'), false);
    assert.equal((await db.set('b', 1, { durability: 'synced' })).durability, 'synced');
    assert.ok((await db.flush()) >= gone.seq);
    assert.equal(db.info.backend, backend);
    assert.equal(db.info.persistent, backend === 'node-fs');
  });
}

test('a store is there when it is opened again', async (t) => {
  const db = await store(t);
  await db.batch([
    { type: 'set', key: 'a', value: 1 },
    { type: 'set', key: 'b', value: 2 },
    { type: 'delete', key: 'a' },
  ]);
  await db.close();
  await assert.rejects(db.get('a'), { code: 'SILT_CLOSED' });
  const again = await open(db.directory);
  t.after(() => again.close());
  assert.deepEqual(await again.entries().all(), [['b', 2]]);
});

test('calls of one turn are one message, in their order', async (t) => {
  const db = await store(t, { backend: 'memory' });
  let messages = 0;
  const { channel } = db.session;
  const send = channel.send.bind(channel);
  channel.send = (request) => ((messages += 1), send(request));
  const answers = await Promise.all([
    db.set('a', 1), db.get('a'), db.set('a', 2), db.get('a'), db.delete('a'), db.get('a'),
  ]);
  assert.equal(messages, 1);
  assert.deepEqual([answers[1], answers[3], answers[5]], [1, 2, undefined]);
});

test('what a turn asks for first is done before all that is asked after it', async (t) => {
  const db = await store(t, { backend: 'memory' });
  const first = db.set('a', 1);
  const between = new Promise((resolve) => queueMicrotask(() => resolve(db.get('b'))));
  const second = db.set('b', 2);
  assert.equal(await between, 2);
  await Promise.all([first, second]);
});

test('an operation that fails leaves the others of its message alone', async (t) => {
  const db = await store(t, { backend: 'memory' });
  const results = await Promise.allSettled([
    db.set('a', 1), db.get(''), db.set('b', 2), db.set('c', undefined),
    db.set('d', new Uint8Array(1)), db.get('\ud800'), db.set('e', 1, { ttl: -1 }),
    db.get('a', { at: -1 }), db.get('a'), db.get('a', { at: 'noon' }),
    db.set('f', 1, { durability: 'hard' }), db.deleteRange({}, { durability: 'hard' }),
  ]);
  assert.deepEqual(results.map(({ status, reason }) => reason?.code ?? status), [
    'fulfilled', 'SILT_KEY_EMPTY', 'fulfilled', 'SILT_INVALID', 'SILT_INVALID', 'SILT_INVALID',
    'SILT_INVALID', 'SILT_INVALID', 'fulfilled', 'SILT_INVALID', 'SILT_INVALID', 'SILT_INVALID',
  ]);
  assert.deepEqual(await db.entries().all(), [['a', 1], ['b', 2]]);
  assert.throws(() => db.keys({ limit: 1.5 }), { code: 'SILT_INVALID' });
});

test('what there is not is refused by name, and what is asked for beside it is done', async (t) => {
  const db = await store(t);
  await db.set('k', 1);
  const invalid = (why) => ({ name: 'SiltError', code: 'SILT_INVALID', message: why });
  const date = /date is from 1970 to 2248/;
  for (const [options, why] of [
    [{ ifAbsnt: true }, /no option ifAbsnt, but .* ifAbsent/], [{ tt: 5 }, /no option tt, but/],
    [null, /options must be an object/],
    ['synced', /options must be an object/], [{ durability: 'sync' }, /synced, flushed or/],
    [{ ifSeq: '5' }, /ifSeq must be a whole number/], [{ ifSeq: NaN }, /ifSeq must be a whole number/],
    [{ ttl: 0 }, /ttl must be milliseconds/], [{ ttl: '5' }, /ttl must be milliseconds/],
    [{ ttl: Infinity }, date],
    [{ ttl: 2 ** 43 - 1 }, date], [{ expires: 5 }, date], [{ expires: new Date(NaN) }, date],
    [{ expires: new Date(-1) }, date], [{ expires: new Date(8.64e15) }, date],
  ]) {
    const [one, refused, other] = await Promise.allSettled([
      db.set('one', 1), db.set('k', 2, options), db.set('other', 2),
    ]);
    assert.throws(() => { throw refused.reason; }, invalid(why), JSON.stringify(options));
    assert.ok(one.status === 'fulfilled' && other.value.seq > one.value.seq);
    // The first one of a turn is done at once.
    await assert.rejects(db.set('k', 2, options), invalid(why));
    assert.deepEqual(await db.getMany(['k', 'one', 'other']), [1, 1, 2]);
  }
  // What is no bound bounds nothing: nothing is deleted.
  for (const range of [{ gtee: 'a' }, { limit: 1 }, { at: 0 }, null, 'k', 5, { gt: 5 }]) {
    await assert.rejects(db.deleteRange(range), invalid(/./), JSON.stringify(range));
  }
  assert.equal(await db.count(), 3);
  for (const at of [null, 'now', NaN, -1, new Date(NaN), new Date(8.64e15)]) {
    await assert.rejects(db.get('k', { at }), invalid(/./), String(at));
  }
  assert.equal(await db.get('k', { at: new Date(Date.now() + 1e9) }), 1);
  for (const rule of ['never', null, 5, {}, { ms: -1 }, { ms: Infinity }, { versions: NaN }]) {
    await assert.rejects(db.setRetention(rule), invalid(/./), JSON.stringify(rule));
    const options = { backend: 'memory', retention: rule };
    await assert.rejects(open('refused', options), invalid(/./), JSON.stringify(rule));
  }
  for (const prefix of [undefined, '', 5]) assert.throws(() => db.sub(prefix), invalid(/./));
  const error = await db.set('k', 2, { ifAbsent: true }).catch((e) => e);
  assert.deepEqual(Object.keys(error).sort(), ['code', 'found', 'name', 'operation']);
  assert.deepEqual(Object.keys(await db.get('').catch((e) => e)).sort(), ['code', 'name']);
});

test('ranges: bounds, prefix, reverse, limit', async (t) => {
  const db = await store(t, { backend: 'memory' });
  await Promise.all(['a', 'b', 'ba', 'bb', 'c', 'd'].map((key) => db.set(key, key)));
  const keys = (options) => db.keys(options).all();
  assert.deepEqual(await keys(), ['a', 'b', 'ba', 'bb', 'c', 'd']);
  assert.deepEqual(await keys({ gte: 'b', lt: 'c' }), ['b', 'ba', 'bb']);
  assert.deepEqual(await keys({ gt: 'b', lte: 'c' }), ['ba', 'bb', 'c']);
  assert.deepEqual(await keys({ prefix: 'b', reverse: true }), ['bb', 'ba', 'b']);
  assert.deepEqual(await keys({ reverse: true, limit: 2 }), ['d', 'c']);
  assert.deepEqual(await keys({ gt: 'c', lt: 'a' }), []);
  assert.deepEqual(await keys({ limit: 0 }), []);
  assert.equal(await db.count({ prefix: 'b' }), 3);
  assert.deepEqual(await db.values({ gte: 'c' }).take(1), ['c']);
  assert.equal((await db.deleteRange({ prefix: 'b' })).count, 3);
  assert.deepEqual(await keys(), ['a', 'c', 'd']);
});

test('a long range is read as it was at its first step, piece by piece', async (t) => {
  const db = await store(t, { backend: 'memory' });
  const name = (i) => `k${String(i).padStart(5, '0')}`;
  for (let i = 0; i < 20_000; i += 1) void db.set(name(i), i);
  let seen = 0;
  for await (const [key, value] of db.entries()) {
    if (seen === 10) void db.set(name(15_000), 'changed');
    if (seen === 11) void db.delete(name(19_999));
    assert.equal(key, name(seen));
    assert.equal(value, seen);
    seen += 1;
  }
  assert.equal(seen, 20_000);
  assert.equal(await db.get(name(15_000)), 'changed');
  const backwards = await db.keys({ reverse: true, limit: 3000 }).all();
  assert.equal(backwards.length, 3000);
  assert.equal(backwards[0], name(19_998));
  // Steps asked for at once are answered in order.
  const scan = db.keys();
  const steps = await Promise.all([scan.next(), scan.next(), scan.next()]);
  assert.deepEqual(steps.map((step) => step.value), [name(0), name(1), name(2)]);
  await scan.return();
  assert.deepEqual(await scan.next(), { done: true, value: undefined });
  const control = new AbortController();
  control.abort();
  await assert.rejects(db.keys({ signal: control.signal }).all(), { code: 'SILT_ABORTED' });
});

test('the past: by seq, by date, by snapshot, as a history and as differences', async (t) => {
  const db = await store(t, { backend: 'memory', retention: 'forever' });
  const first = await db.set('a', 'old');
  await new Promise((resolve) => setTimeout(resolve, 5));
  const between = new Date();
  await new Promise((resolve) => setTimeout(resolve, 5));
  const held = await db.snapshot();
  await db.batch().set('a', 'new').set('b', 'more').commit();
  const last = await db.delete('b');
  assert.equal(await db.get('a', { at: first.seq }), 'old');
  assert.equal(await db.get('a', { at: between }), 'old');
  assert.equal(await held.get('a'), 'old');
  assert.equal(held.seq, first.seq);
  assert.deepEqual(await held.entries().all(), [['a', 'old']]);
  assert.equal(await db.count({ at: held }), 1);
  assert.deepEqual(await db.entries({ at: between }).all(), [['a', 'old']]);
  await held.close();
  assert.deepEqual((await db.history('b')).map(({ type, value }) => [type, value]),
    [['delete', undefined], ['set', 'more']]);
  assert.equal((await db.history('a', { limit: 1 })).length, 1);
  const found = [];
  for await (const { key, before, after } of db.diff(first.seq, last.seq)) {
    found.push([key, before?.value, after?.value]);
  }
  assert.deepEqual(found, [['a', 'old', 'new']]);
  assert.deepEqual(await db.retention(), 'forever');
  await db.setRetention({ ms: 3_600_000 });
  assert.deepEqual(await db.retention(), { ms: 3_600_000 });
});

test('conditions hold or nothing is written', async (t) => {
  const db = await store(t, { backend: 'memory' });
  const { seq } = await db.set('a', 1, { ifAbsent: true });
  await assert.rejects(db.set('a', 2, { ifAbsent: true }), (error) => {
    assert.ok(error instanceof SiltError);
    assert.equal(error.code, 'SILT_CONDITION_FAILED');
    assert.equal(error.found, seq);
    return true;
  });
  await assert.rejects(db.batch().set('b', 1).set('a', 2, { ifSeq: seq - 1 }).commit(),
    { code: 'SILT_CONDITION_FAILED', operation: 1, found: seq, message: /operation 1\)$/ });
  assert.equal(await db.has('b'), false);
  // Whoever writes one key knows of no operations: told first is what is so.
  const there = new RegExp(`^the key has a value, of seq ${seq}; nothing was written`);
  const none = /^the key has no value; nothing was written/;
  for (const [refused, message, found] of [
    [db.set('a', 2, { ifAbsent: true }), there, seq],
    [db.set('a', 2, { ifSeq: seq - 1 }), there, seq],
    [db.delete('a', { ifSeq: seq - 1 }), there, seq],
    [db.set('c', 2, { ifSeq: seq }), none, 0],
    [db.delete('c', { ifSeq: seq }), none, 0],
  ]) {
    const [code, operation] = ['SILT_CONDITION_FAILED', 0];
    await assert.rejects(refused, { name: 'SiltError', code, operation, found, message });
  }
  await db.delete('a', { ifSeq: seq });
  await db.set('a', 3, { ifSeq: 0 });
  assert.equal(await db.get('a'), 3);
});

test('no update is lost', async (t) => {
  const db = await store(t, { backend: 'memory' });
  await Promise.all(Array.from({ length: 30 }, () => db.update('n', (n) => (n ?? 0) + 1,
    { retries: 1000 })));
  assert.equal(await db.get('n'), 30);
  assert.equal(await db.update('n', () => undefined), undefined);
  assert.equal(await db.has('n'), false);
});

test('a transaction sees its own writes, and is done again when what it read has changed',
  async (t) => {
    const db = await store(t, { backend: 'memory' });
    await db.batch().set('a', 1).set('b', 2).set('c', 3).commit();
    let runs = 0;
    const sum = await db.transaction(async (tx) => {
      runs += 1;
      const a = await tx.get('a');
      // Another one writes what was read and is not written here.
      if (runs === 1) await db.set('a', 10);
      tx.set('sum', a + (await tx.get('b')));
      tx.delete('c');
      tx.set('aa', 'mine');
      const seen = [];
      for await (const [key] of tx.entries({ lt: 'd' })) seen.push(key);
      assert.deepEqual(seen, ['a', 'aa', 'b']);
      assert.equal(await tx.has('c'), false);
      return tx.get('sum');
    });
    assert.deepEqual([runs, sum], [2, 12]);
    assert.equal(await db.get('sum'), 12);
    assert.equal((await db.history('a')).filter((v) => v.value === 10).length, 1);
    await assert.rejects(db.transaction(async (tx) => {
      await tx.get('a');
      await db.set('a', Math.random());
      tx.set('b', 0);
    }, { retries: 2 }), { code: 'SILT_CONFLICT' });
    assert.equal(await db.get('b'), 2);
    await assert.rejects(db.transaction(() => { throw new TypeError('mine'); }), TypeError);
  });

test('a transaction is done again when a key comes into a range that it has read', async (t) => {
  const db = await store(t, { backend: 'memory' });
  const meddle = [
    () => db.set('k/15', 1),
    () => db.delete('k/20'),
    () => db.set('k/30', 'other'),
    () => db.set('k/11', 1).then(() => db.delete('k/11')).then(() => db.compact()),
  ];
  for (const range of [{ prefix: 'k/' }, { gte: 'k/1', lt: 'k/4' }, { prefix: 'k/', reverse: true }]) {
    for (const other of meddle) {
      await db.deleteRange();
      await db.batch().set('k/10', 1).set('k/20', 2).set('k/30', 3).set('other', 4).commit();
      let runs = 0;
      await db.transaction(async (tx) => {
        let count = 0;
        for await (const _ of tx.entries(range)) count += 1;
        runs += 1;
        if (runs === 1) await other();
        else assert.equal(count, (await db.keys({ prefix: 'k/' }).all()).length);
        tx.set('count', count);
      });
      assert.equal(runs, 2);
    }
  }
});

test('what a transaction has not read of a range may change', async (t) => {
  const db = await store(t, { backend: 'memory' });
  await db.batch().set('k/1', 1).set('k/2', 2).set('k/3', 3).set('k/4', 4).commit();
  const take = async (tx, count, options) => {
    const keys = [];
    for await (const [key] of tx.entries({ prefix: 'k/', ...options })) {
      keys.push(key);
      if (keys.length === count) break;
    }
    return keys;
  };
  let runs = 0;
  await db.transaction(async (tx) => {
    runs += 1;
    tx.set('k/15', 'mine');
    assert.deepEqual(await take(tx, 3), ['k/1', 'k/15', 'k/2']);
    assert.deepEqual(await take(tx, 9, { limit: 1, reverse: true }), ['k/4']);
    await db.set('k/21', runs);
    await db.set('k/39', runs);
    await db.set('l', runs);
  });
  assert.equal(runs, 1);
  await db.transaction(async (tx) => {
    runs += 1;
    await take(tx, 9, { limit: 1, reverse: true });
    if (runs === 2) await db.set('k/5', 5);
    tx.set('last', 1);
  });
  assert.equal(runs, 3);
});

test('parts of a store keep apart and share batches', async (t) => {
  const db = await store(t, { backend: 'memory' });
  const users = db.sub('users/', { keys: tuple, values: structured });
  const raw = db.sub(new Uint8Array([0xff]), { keys: bytes, values: utf8 });
  await users.set([2, 'b'], new Map([['at', new Date(5)]]));
  await db.batch().set('top', 1).in(users).set([1], undefined).in(raw)
    .set(new Uint8Array([1]), 'text').commit();
  assert.deepEqual(await users.entries().all(),
    [[[1], undefined], [[2, 'b'], new Map([['at', new Date(5)]])]]);
  assert.deepEqual(await users.keys({ prefix: [2] }).all(), [[2, 'b']]);
  assert.deepEqual(await raw.entries().all(), [[new Uint8Array([1]), 'text']]);
  assert.deepEqual(await db.keys({ lt: 'users' }).all(), ['top']);
  assert.equal((await users.deleteRange()).count, 2);
  assert.equal(await db.count(), 2);
});

test('what expires is gone', async (t) => {
  const db = await store(t, { backend: 'memory' });
  await db.set('a', 1, { ttl: 60_000 });
  const { expires } = await db.getRecord('a');
  assert.ok(expires > new Date());
  await db.set('a', 1, { ttl: 30 });
  await new Promise((resolve) => setTimeout(resolve, 60));
  assert.equal(await db.get('a'), undefined);
});

test('changes are told as they come, and again from any seq', async (t) => {
  const db = await store(t, { backend: 'memory' });
  const before = await db.set('x', 0);
  const seen = [];
  const watching = (async () => {
    for await (const change of db.watch({ prefix: 'a' })) {
      seen.push(change);
      if (seen.length === 4) break;
    }
  })();
  await db.batch().set('a1', 1).set('b', 1).set('a2', 2).commit();
  await new Promise((resolve) => setTimeout(resolve, 10));
  await db.delete('a1');
  await db.set('a3', 3);
  await watching;
  assert.deepEqual(seen.map(({ key, type, value, last }) => [key, type, value, last]), [
    ['a1', 'set', 1, false], ['a2', 'set', 2, true], ['a1', 'delete', undefined, true],
    ['a3', 'set', 3, true],
  ]);
  const again = [];
  for await (const { key } of db.watch({ since: before.seq, live: false })) again.push(key);
  assert.deepEqual(again, ['a1', 'a2', 'b', 'a1', 'a3']);
  const control = new AbortController();
  const stopped = (async () => {
    for await (const _ of db.watch({ signal: control.signal }));
  })();
  setTimeout(() => control.abort(), 10);
  await assert.rejects(stopped, { code: 'SILT_ABORTED' });
});

test('a store goes through a file, and through compaction', async (t) => {
  const db = await store(t);
  for (let round = 0; round < 4; round += 1) {
    for (let i = 0; i < 2000; i += 1) void db.set(`k${i}`, { round, pad: 'x'.repeat(100) });
  }
  await db.flush();
  const steps = [];
  const report = await db.compact({ onProgress: (step) => steps.push(step) });
  assert.ok(report.after < report.before / 2, JSON.stringify(report));
  assert.ok(steps.length > 0);
  assert.equal((await db.stats()).keys, 2000);
  assert.ok((await db.segments()).length >= 1);
  assert.ok(Array.isArray(await db.compactionPlan()));
  const file = await db.exportFile();
  const copy = `${db.directory}-copy`;
  await importFile(copy, file);
  await assert.rejects(importFile(copy, file), { code: 'SILT_NOT_EMPTY' });
  const other = await open(copy);
  t.after(() => other.close());
  assert.equal(await other.count(), 2000);
  assert.equal((await other.get('k7')).round, 3);
  const { usage, persisted } = await db.storage();
  assert.ok(usage > 0 && persisted);
  const control = new AbortController();
  control.abort();
  await assert.rejects(db.compact({ signal: control.signal }), { code: 'SILT_ABORTED' });
});

test('what cannot be opened, imported or read says so by name', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'siltdb-client-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const there = join(directory, 'there');
  const db = await open(there);
  const snapshot = await db.snapshot();
  await snapshot.close();
  const asked = [
    [open(), 'SILT_INVALID'],
    [open(join(directory, 'none'), { backend: 'opfs' }), 'SILT_NOT_SUPPORTED'],
    [open(join(directory, 'none'), { create: false }), 'SILT_NO_STORE'],
    [open(there), 'SILT_LOCKED'],
    [importFile(join(directory, 'copy'), 'text'), 'SILT_INVALID'],
    [importFile(join(directory, 'copy')), 'SILT_INVALID'],
    [importFile(join(directory, 'copy'), new Blob(['text'])), 'SILT_CORRUPT'],
    [importFile(there, await db.exportFile()), 'SILT_LOCKED'],
    [db.get('a', { at: snapshot }), 'SILT_INVALID'],
  ];
  for (const [refused, code] of asked) await assert.rejects(refused, { name: 'SiltError', code });
  await assert.rejects(db.get('a', { at: snapshot }), /closed/);
  await db.close();
  for (const live of [true, false]) {
    await assert.rejects(db.watch({ since: 0, live }).next(), { code: 'SILT_CLOSED' });
  }
  await assert.rejects(importFile(there, new Blob([])), { name: 'SiltError' });
  writeFileSync(join(directory, 'letter.txt'), 'dear');
  await assert.rejects(open(directory), { code: 'SILT_NO_STORE', message: /: name an empty/ });
});

test('what is refused says where in a file, who has a store, or what is there', async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'siltdb-client-'));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  const at = join(root, 'store');
  const db = await open(at, { retention: 'forever' });
  for (let i = 0; i < 500; i += 1) void db.set(`k${i}`, 'x'.repeat(100));
  const whole = new Uint8Array(await (await db.exportFile()).arrayBuffer());
  await db.close();
  const middle = whole.length >> 1;
  const flipped = whole.map((byte, i) => (i === middle ? byte ^ 1 : byte));
  const copy = join(root, 'copy');
  for (const [raw, told] of [
    [new Uint8Array(4096), /at byte 0 there should be a snapshot's header; nothing was restored$/],
    [whole.subarray(0, middle), new RegExp(`at byte ${middle} .* the snapshot is cut`)],
    [flipped, /at byte \d+ there should be the checksum of the part before it/],
  ]) {
    const refusal = { code: 'SILT_CORRUPT', message: told };
    await assert.rejects(importFile(copy, new Blob([raw])), refusal);
    assert.throws(() => importFileSync(copy, raw), refusal);
  }
  const entry = import.meta.resolve('../../dist/node.js');
  const holding = `import { open } from ${JSON.stringify(entry)};
    await open(${JSON.stringify(at)});
    console.log('open');
    setInterval(() => {}, 1000);`;
  const holder = spawn(process.execPath, ['--input-type=module', '-e', holding],
    { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    await once(holder.stdout, 'data');
    const message = `the store is in use by process ${holder.pid} (node): close it there first`;
    for (const refused of [open(at), importFile(at, new Blob([whole])), destroy(at)]) {
      await assert.rejects(refused, { code: 'SILT_LOCKED', message });
    }
    assert.throws(() => openSync(at), { code: 'SILT_LOCKED', message });
  } finally {
    holder.kill('SIGKILL');
  }
  await once(holder, 'exit');
  await (await open(at)).close();
  const foreign = join(root, 'foreign');
  mkdirSync(foreign);
  writeFileSync(join(foreign, 'letter.txt'), 'dear');
  for (const [dir, options, told] of [
    [foreign, {}, `there is no store in ${foreign}, but letter.txt: name an empty directory`],
    [foreign, { create: false }, `there is no store in ${foreign}, but letter.txt`],
    [join(root, 'none'), { create: false }, `there is no store in ${join(root, 'none')}`],
  ]) {
    const refusal = { code: 'SILT_NO_STORE', message: told };
    await assert.rejects(open(dir, options), refusal);
    assert.throws(() => openSync(dir, options), refusal);
  }
});

test('an import that is refused takes away what it has made, and nothing else', async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'siltdb-client-'));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  const db = await open('x', { backend: 'memory' });
  for (let i = 0; i < 500; i += 1) void db.set(`k${i}`, 'x'.repeat(100));
  const whole = new Uint8Array(await (await db.exportFile()).arrayBuffer());
  await db.close();
  const cut = whole.subarray(0, -100);
  const junk = new TextEncoder().encode('junk');
  const [empty, noted, full] = ['empty', 'noted', 'full'].map((name) => join(root, name));
  for (const there of [empty, noted]) mkdirSync(there);
  writeFileSync(join(noted, 'LOCK'), '');
  await importFile(full, new Blob([whole]));
  const seen = () => readdirSync(root, { recursive: true }).sort();
  const before = seen();
  for (const at of [join(root, 'new'), join(root, 'far', 'away', 'new'), empty, noted, full]) {
    for (const raw of [junk, cut, new Uint8Array(0)]) {
      const code = at === full ? 'SILT_NOT_EMPTY' : 'SILT_CORRUPT';
      await assert.rejects(importFile(at, new Blob([raw])), { code });
      assert.throws(() => importFileSync(at, raw), { code });
      assert.deepEqual(seen(), before);
    }
  }
  // What somebody else has put there meanwhile stays.
  const shared = join(root, 'shared');
  const slow = new Blob([junk]);
  slow.arrayBuffer = async () => {
    writeFileSync(join(shared, 'letter.txt'), 'dear');
    throw new TypeError('mine');
  };
  await assert.rejects(importFile(shared, slow), TypeError);
  assert.deepEqual(readdirSync(shared), ['letter.txt']);
  // And the place is free.
  await importFile(empty, new Blob([whole]));
});

test('CommonJS gives the same', async (t) => {
  const { open: openCjs } = createRequire(import.meta.url)('../../dist/node.cjs');
  const db = await openCjs('unused', { backend: 'memory' });
  t.after(() => db.close());
  await db.set('a', 1);
  assert.equal(await db.get('a'), 1);
});

test('a scan of a snapshot ends with it, and does not hold the moment for ever', async () => {
  const db = await open('scan', { backend: 'memory' });
  // More than travels ahead.
  const value = 'x'.repeat(1000);
  await db.batch(Array.from({ length: 3000 }, (_, i) => ({ type: 'set', key: `k${i}`, value })));
  const snapshot = await db.snapshot();
  const scan = snapshot.entries();
  await scan.next();
  assert.equal((await snapshot.entries().all()).length, 3000);
  await snapshot.close();
  await assert.rejects(scan.all(), { code: 'SILT_INVALID' });
  let late;
  await db.transaction(async (tx) => {
    late = tx.entries();
    await late.next();
  });
  await assert.rejects((async () => { for await (const _ of late); })(), { code: 'SILT_INVALID' });
  await db.close();
});

test('a key that is to expire at a moment that is over is gone, be it the first of 1970', async () => {
  const db = await open('expired', { backend: 'memory' });
  for (const time of [0, 1, Date.now() - 1]) {
    const expires = new Date(time);
    await db.set('a', 1, { expires });
    await db.batch([{ type: 'set', key: 'b', value: 1, expires }]);
    await db.batch().set('c', 1, { expires }).commit();
    await db.transaction((tx) => tx.set('d', 1, { expires }));
    assert.deepEqual(await db.keys().all(), []);
  }
  await db.close();
});

test('what a batch or a transaction was given may be written into before it commits', async () => {
  const made = { backend: 'memory', keys: bytes, values: bytes };
  for (const db of [await open('scratch', made), openSync('scratch', made)]) {
    const scratch = new Uint8Array(1);
    const fill = (to) => {
      for (scratch[0] = 1; scratch[0] < 4; scratch[0] += 1) to.set(scratch, scratch);
      scratch[0] = 2;
      to.delete(scratch);
      scratch[0] = 9;
    };
    const batch = db.batch();
    fill(batch);
    await batch.commit();
    const wanted = [1, 3].map((byte) => [new Uint8Array([byte]), new Uint8Array([byte])]);
    const all = async () => {
      const found = [];
      for await (const entry of db.entries()) found.push(entry);
      return found;
    };
    assert.deepEqual(await all(), wanted);
    await db.deleteRange();
    await db.transaction((tx) => fill(tx));
    assert.deepEqual(await all(), wanted);
    await db.close();
  }
});
