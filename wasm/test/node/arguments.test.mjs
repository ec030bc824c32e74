// What a caller gives that cannot be meant is refused by name, in every verb, and nothing is done.

import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import * as async from '../../dist/node.js';
import * as sync from '../../dist/sync-node.js';

const root = mkdtempSync(join(tmpdir(), 'siltdb-arguments-'));
test.after(() => rmSync(root, { recursive: true, force: true }));
let stores = 0;
const fresh = () => join(root, `store${stores += 1}`);

/** Of a call the error, however it is told; of what has none, nothing. */
async function told(call) {
  try {
    const given = await call();
    if (typeof given?.next === 'function') {
      try {
        await given.next();
      } finally {
        await given.return?.();
      }
    }
  } catch (error) {
    return error;
  }
  return undefined;
}

const OPTIONS = [null, 5, 'x', ['x'], { extra: 1 }];
const RANGE = [...OPTIONS, { gt: 5 }, { gte: null }, { lt: {} }, { lte: [] }, { prefix: 5 },
  { prefx: 'a' }];
const AT = [{ at: null }, { at: 'x' }, { at: NaN }, { at: -1 }, { at: 1.5 }, { at: {} },
  { at: new Date(NaN) }, { at: { seq: 5 } }];
const LIMIT = [{ limit: 'x' }, { limit: -1 }, { limit: null }];
const READ = [...OPTIONS, ...AT, { revers: true }];
const SCAN = [...RANGE, ...AT, ...LIMIT, { chunkBytes: 'x' }, { revers: true }];
const WRITE = [...OPTIONS, { durabilty: 'synced' }, { durability: 'hard' }, { durability: null }];
const CONDITION = [{ ifSeq: 'x' }, { ifSeq: -1 }, { ifSeq: null }, { ifSeq: NaN }];
const EXPIRY = [{ ttl: 0 }, { ttl: '5' }, { ttl: null }, { ttl: NaN }, { expires: 0 },
  { expires: null }, { expires: '2030-01-01' }, { expires: new Date(NaN) }];
const KEYS = [undefined, null, 5, {}, [], new Uint8Array(1), '\ud800'];
const VALUES = [undefined, () => {}, 5n, new Map(), new Uint8Array(1)];
const NO_FUNCTION = [undefined, null, 5, 'x', {}];
const SEQ = [null, 'x', NaN, -1, 1.5, {}, new Date(NaN)];
const WHOLE = [undefined, null, 'x', -1, 1.5, NaN];
const CODECS = [null, 5, { key: async.utf8 }, { keys: {} }, { keys: null }, { values: 'json' },
  { values: { encode() {} } }];
const LISTS = [null, 5, 'abc', {}, new Set(['a'])];
const OPERATIONS = [[null], [5], [{}], [{ type: 'put', key: 'a', value: 1 }], [, 1],
  [{ type: 'set', key: 5, value: 1 }], [{ type: 'set', key: 'a' }],
  [{ type: 'set', key: 'a', value: 1, tll: 5 }], [{ type: 'delete', key: 'a', ttl: 5 }]];

/** Every verb of a reader, with what it refuses. */
const reads = (db) => [
  ['get', [...KEYS.map((key) => [key]), ...READ.map((how) => ['a', how])]],
  ['getRecord', [...KEYS.map((key) => [key]), ...READ.map((how) => ['a', how])]],
  ['has', [...KEYS.map((key) => [key]), ...READ.map((how) => ['a', how])]],
  ['getMany', [...LISTS, undefined, [5], [,]].map((list) => [list])
    .concat(READ.map((how) => [['a'], how]))],
  ['count', [...RANGE, ...AT, { limit: 1 }].map((how) => [how])],
  ...['entries', 'keys', 'values'].map((verb) => [verb, SCAN.map((how) => [how])]),
].map(([verb, calls]) => [verb, db, calls]);

/** The same of a store. */
const verbs = (db, { change, signals, body }) => [
  ...reads(db),
  ['set', db, [...KEYS.map((key) => [key, 1]), ...VALUES.map((value) => ['a', value]),
    ...[...WRITE, ...CONDITION, ...EXPIRY].map((how) => ['a', 1, how])]],
  ['delete', db, [...KEYS.map((key) => [key]),
    ...[...WRITE, ...CONDITION, { ttl: 5 }].map((how) => ['a', how])]],
  ['deleteRange', db, [...[...RANGE, { limit: 1 }].map((range) => [range]),
    ...WRITE.map((how) => [{ prefix: 'a' }, how])]],
  ['batch', db, [...LISTS, ...OPERATIONS].map((list) => [list])
    .concat(WRITE.map((how) => [[{ type: 'set', key: 'a', value: 1 }], how]))],
  ['update', db, [...KEYS.map((key) => [key, change]), ...NO_FUNCTION.map((no) => ['a', no]),
    ...WRITE.map((how) => ['a', change, how])]],
  ['transaction', db, [...NO_FUNCTION.map((no) => [no]), ...WRITE.map((how) => [body, how])]],
  ['history', db, [...KEYS.map((key) => [key]), ...[...OPTIONS, ...LIMIT].map((how) => ['a', how])]],
  ['diff', db, [...[undefined, ...SEQ].flatMap((seq) => [[seq, 1], [1, seq]]),
    ...RANGE.map((range) => [1, 2, range])]],
  ['snapshot', db, SEQ.map((seq) => [seq])],
  ['sub', db, [...[undefined, null, 5, {}, '', new Uint8Array(0)].map((prefix) => [prefix]),
    ...CODECS.map((codecs) => ['a', codecs])]],
  ['records', db, [...WHOLE.map((segment) => [segment]),
    ...[...OPTIONS, { from: 'x' }, { limit: 'x' }].map((how) => [1, how])]],
  ['bytes', db, WHOLE.flatMap((no) => [[1, no, 1], [1, 0, no]])],
  ['setRetention', db, [undefined, null, 5, 'last', {}, { ms: 'x' }, { ms: -1 }, { versions: 1.5 },
    { ms: 1, versions: 2 }, { ms: Infinity }].map((rule) => [rule])],
  ['compact', db, signals
    ? [...OPTIONS, { signal: 5 }, { onProgress: 5 }, { onProgress: null }, { stepBytes: 'x' }]
      .map((how) => [how])
    : [5, 'x', {}, null].map((no) => [no])],
];

/** What takes nothing, or nothing that could be wrong. */
const PLAIN = ['constructor', 'close', 'flush', 'stats', 'segments', 'compactionPlan', 'retention',
  'exportFile'];

async function refuses([verb, on, calls]) {
  for (const given of calls) {
    const error = await told(() => on[verb](...given));
    const call = `${verb}(${given.map((one) => {
      try {
        return JSON.stringify(one) ?? typeof one;
      } catch {
        return typeof one;
      }
    })})`;
    assert.ok(error, `${call} is done`);
    assert.equal(error.code, 'SILT_INVALID', `${call} ends with ${error.stack}`);
    assert.ok(error instanceof async.SiltError || error instanceof sync.SiltError, call);
  }
}

/** Every public method is among those that are tried, or takes nothing. */
function complete(kind, tried, plain = []) {
  const methods = [];
  for (let at = kind.prototype; at !== Object.prototype; at = Object.getPrototypeOf(at)) {
    for (const name of Object.getOwnPropertyNames(at)) {
      if (typeof Object.getOwnPropertyDescriptor(at, name).value === 'function') methods.push(name);
    }
  }
  const known = new Set([...tried.map(([verb]) => verb), ...plain, 'constructor']);
  const missing = methods.filter((name) => !known.has(name));
  assert.deepEqual(missing, [], `what ${kind.name} refuses is not tried`);
}

test('every verb refuses by SILT_INVALID what it cannot mean, and the store is as it was', async () => {
  const db = await async.open(fresh(), { backend: 'memory' });
  const other = await async.open(fresh(), { backend: 'memory' });
  await db.set('a', 'kept');
  const { commits } = await db.stats();
  const told = verbs(db, { change: () => 1, signals: true, body: () => {} });
  const signals = [{ signal: 5 }, { signal: null }, { signal: {} }];
  const own = [
    ['watch', db, [...RANGE, ...signals, { since: null }, { since: 'x' }, { since: -1 },
      { since: new Date(NaN) }].map((how) => [how])],
    ...['entries', 'keys', 'values'].map((verb) => [verb, db, signals.map((how) => [how])]),
    ['transaction', db, [{ retries: 'x' }, { retries: -1 }, { retries: NaN }]
      .map((how) => [() => {}, how])],
    ['onEvent', db, NO_FUNCTION.map((no) => [no])],
  ];
  for (const row of [...told, ...own]) await refuses(row);
  complete(async.Silt, [...told, ...own], [...PLAIN, 'storage', 'persist']);

  const held = await db.snapshot();
  for (const row of reads(held)) await refuses(row);
  complete(async.Snapshot, reads(held), PLAIN);
  const foreign = await other.snapshot();
  await refuses(['get', db, [['a', { at: foreign }]]]);
  await refuses(['entries', db, [[{ at: foreign }]]]);
  assert.equal(await db.sub('x').get('a', { at: held }), undefined);

  const scan = db.entries();
  const scans = [['take', scan, [['x'], [-1], [null], [NaN]]]];
  for (const row of scans) await refuses(row);
  complete(async.Scan, scans, ['next', 'all', 'return']);

  const batch = db.batch().set('b', 1);
  const batches = [
    ['set', batch, [...KEYS.map((key) => [key, 1]), ...VALUES.map((value) => ['a', value]),
      ...[...OPTIONS, ...CONDITION, ...EXPIRY, { durability: 'synced' }].map((how) => ['a', 1, how])]],
    ['delete', batch, [...KEYS.map((key) => [key]), ...[...OPTIONS, ...CONDITION, { ttl: 5 }]
      .map((how) => ['a', how])]],
    ['in', batch, [undefined, null, 5, {}, other, other.sub('x')].map((part) => [part])],
    ['commit', batch, WRITE.map((how) => [how])],
  ];
  for (const row of batches) await refuses(row);
  complete(async.Batch, batches);
  assert.equal(batch.size, 1, 'what was refused is still to be committed');

  await db.transaction(async (tx) => {
    const writes = [
      ...['get', 'has'].map((verb) => [verb, tx, KEYS.map((key) => [key])]),
      ['set', tx, [...KEYS.map((key) => [key, 1]), ...VALUES.map((value) => ['a', value]),
        ...[...OPTIONS, ...EXPIRY, { ifSeq: 1 }, { durability: 'synced' }]
          .map((how) => ['a', 1, how])]],
      ['delete', tx, KEYS.map((key) => [key])],
      ['in', tx, [undefined, null, 5, {}, other].map((part) => [part])],
      ['entries', tx, [...RANGE, ...LIMIT, { at: 5 }].map((how) => [how])],
    ];
    for (const row of writes) await refuses(row);
    complete(async.Transaction, writes);
  });
  assert.equal((await db.stats()).commits, commits);
  assert.deepEqual(await db.entries().all(), [['a', 'kept']]);
  await Promise.all([db.close(), other.close()]);
});

test('siltdb/sync refuses the same', async () => {
  const db = sync.openSync(fresh(), { backend: 'memory' });
  const other = sync.openSync(fresh(), { backend: 'memory' });
  db.set('a', 'kept');
  const { commits } = db.stats();
  const told = verbs(db, { change: () => 1, signals: false, body: () => {} });
  for (const row of told) await refuses(row);
  complete(sync.SiltSync, told, [...PLAIN, 'prepare', 'scan']);
  const signal = AbortSignal.abort();
  assert.throws(() => [...db.entries({ signal })], { code: 'SILT_ABORTED' });

  const held = db.snapshot();
  for (const row of reads(held)) await refuses(row);
  await refuses(['get', db, [['a', { at: other.snapshot() }]]]);
  const batch = db.batch().set('b', 1);
  await refuses(['commit', batch, WRITE.map((how) => [how])]);
  await refuses(['in', batch, [[other]]]);
  assert.equal(batch.size, 1);
  const calls = [];
  db.transaction((tx) => calls.push(
    ...['get', 'has', 'delete'].map((verb) => [verb, tx, KEYS.map((key) => [key])]),
    ['set', tx, [...KEYS.map((key) => [key, 1]), ...VALUES.map((value) => ['a', value]),
      ...[...OPTIONS, ...EXPIRY, { ifSeq: 1 }].map((how) => ['a', 1, how])]],
    ['in', tx, [undefined, null, 5, {}, other].map((part) => [part])],
    ['entries', tx, [...RANGE, ...LIMIT, { at: 5 }].map((how) => [how])],
  ));
  complete(sync.SyncTransaction, calls);
  assert.equal(db.stats().commits, commits);
  assert.deepEqual([...db.entries()], [['a', 'kept']]);
  db.close();
  other.close();
});

/** Options of an open, each of them wrong. */
const OPEN = [null, 5, 'x', { durabilty: 'synced' }, { durability: 'hard' }, { segmentBytes: 'x' },
  { segmentBytes: true }, { cacheBytes: -1 }, { syncIntervalMs: 1.5 }, { create: 'no' },
  { autoCompact: 1 }, { skipIdentical: null }, { retention: 'last' }, { retention: { ms: 'x' } },
  { keys: {} }, { keys: null }, { values: 5 }, { multiTab: 'exclusive' }, { worker: 'x' }];
const NAMES = [undefined, null, 5, {}, '', 'a\0b'];

test('what cannot be opened, restored or removed leaves nothing behind', async () => {
  const file = await (async () => {
    const db = await async.open(fresh(), { backend: 'memory' });
    const blob = await db.exportFile();
    await db.close();
    return blob;
  })();
  const raw = new Uint8Array(await file.arrayBuffer());
  const before = readdirSync(root).length;
  const at = fresh();
  const calls = [
    ['open', async, [...NAMES.map((name) => [name]),
      ...[...OPEN, { restore: 5 }, { restore: null }].map((how) => [at, how])]],
    ['importFile', async, [...NAMES.map((name) => [name, file]),
      ...[undefined, null, 5, raw].map((no) => [at, no]), ...OPEN.map((how) => [at, file, how])]],
    ['destroy', async, NAMES.map((name) => [name])],
    ['openSync', sync, [...NAMES.map((name) => [name]), ...OPEN.map((how) => [at, how])]],
    ['importFileSync', sync, [...NAMES.map((name) => [name, raw]),
      ...[undefined, null, 5, file, [1, 2]].map((no) => [at, no]),
      ...OPEN.map((how) => [at, raw, how])]],
  ];
  for (const row of calls) await refuses(row);
  assert.equal(existsSync(at), false);
  assert.equal(readdirSync(root).length, before);
});

test('a codec of the caller that gives no bytes is refused: others would be stored', async () => {
  const way = (encode) => ({ name: 'own', encode, decode: (raw) => raw.slice() });
  const wrong = [JSON.stringify, () => undefined, () => null, () => [1, 2],
    async () => new Uint8Array(1), () => new ArrayBuffer(2), () => new Float64Array(2)].map(way);
  const later = await async.open('x', { backend: 'memory' });
  const now = sync.openSync('x', { backend: 'memory' });
  for (const db of [later, now]) {
    for (const own of wrong) {
      const values = db.sub('values/', { values: own });
      const keys = db.sub('keys/', { keys: own });
      const calls = [
        () => values.batch([{ type: 'set', key: 'a', value: 'text' }]),
        () => values.set('a', 'text'), () => values.update('a', () => 'text'),
        () => values.batch().set('a', 'text').commit(),
        () => keys.set('a', 1), () => keys.get('a'), () => keys.has('a'), () => keys.delete('a'),
        () => keys.count({ gte: 'a' }), () => keys.count({ prefix: 'a' }),
      ];
      for (const call of calls) {
        await assert.rejects(async () => call(), { code: 'SILT_INVALID', message: /Uint8Array/ });
      }
    }
    assert.equal(await db.count(), 0);
    // A Buffer is one.
    const good = db.sub('good/', { values: way((text) => Buffer.from(text)) });
    await good.set('a', 'text');
    assert.equal(String(Buffer.from(await good.get('a'))), 'text');
    await db.close();
  }
});

test('a transaction that is over takes no more writes: they would be lost', async () => {
  const db = await async.open(fresh(), { backend: 'memory' });
  let kept;
  await db.transaction((tx) => {
    kept = tx;
    tx.set('a', 1);
  });
  await refuses(['set', kept, [['b', 1]]]);
  await refuses(['delete', kept, [['a']]]);
  await refuses(['get', kept, [['a']]]);
  await db.close();
  const other = sync.openSync(fresh(), { backend: 'memory' });
  other.transaction((tx) => {
    kept = tx;
  });
  await refuses(['set', kept, [['b', 1]]]);
  other.close();
});

test('a closed store says so, whatever is asked of it', async () => {
  const db = await async.open(fresh(), { backend: 'memory' });
  const held = await db.snapshot();
  const scan = db.entries();
  const batch = db.batch().set('a', 1);
  let closings = 0;
  db.onEvent(({ type }) => {
    if (type === 'closed') closings += 1;
  });
  await db.close();
  await db.close();
  assert.equal(closings, 1);
  await held.close();
  const calls = {
    get: ['a'], getRecord: ['a'], has: ['a'], getMany: [['a']], count: [], entries: [], keys: [],
    values: [], set: ['a', 1], delete: ['a'], deleteRange: [], batch: [[]], update: ['a', () => 1],
    transaction: [() => {}], history: ['a'], diff: [1, 2], snapshot: [], flush: [], compact: [],
    compactionPlan: [], stats: [], segments: [], records: [1], bytes: [1, 0, 1], retention: [],
    setRetention: ['latest'], storage: [], persist: [], exportFile: [], watch: [],
  };
  const closed = async (on, verb, given) => {
    const error = await told(() => on[verb](...given));
    assert.equal(error?.code, 'SILT_CLOSED', `${verb}: ${error?.stack}`);
  };
  for (const [verb, given] of Object.entries(calls)) await closed(db, verb, given);
  await closed(held, 'get', ['a']);
  await closed(scan, 'next', []);
  await closed(batch, 'commit', []);
  const other = sync.openSync(fresh(), { backend: 'memory' });
  const moment = other.snapshot();
  other.close();
  other.close();
  moment.close();
  for (const verb of ['storage', 'persist', 'watch']) delete calls[verb];
  calls.update = ['a', () => 1];
  calls.transaction = [(tx) => tx.get('a')];
  for (const [verb, given] of Object.entries(calls)) await closed(other, verb, given);
  await closed(moment, 'get', ['a']);
});
