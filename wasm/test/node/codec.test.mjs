// Codecs: what goes in comes out, and keys order as their bytes do.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runInNewContext } from 'node:vm';
import { bytes, json, open, structured, tuple, utf8 } from '../../dist/node.js';
import { openSync } from '../../dist/sync-node.js';
import { random } from './helpers.mjs';

/** A value around a value, so deep. */
const nested = (depth, around) => {
  let value = 1;
  for (let i = 0; i < depth; i += 1) value = around(value);
  return value;
};

const compare = (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b));

test('tuple keys come back and order by type and value', () => {
  const ordered = [
    null, false, true,
    -Infinity, -1e300, -2, -1.5, -5e-324, 0, 5e-324, 1, 1.5, 2, 255, 256, 1e300, Infinity,
    -(2n ** 70n), -256n, -255n, -1n, 0n, 1n, 255n, 256n, 2n ** 70n, 2n ** 1000n,
    new Date(-1), new Date(0), new Date(1),
    '', '\0', '\0\0', '\0a', 'a', 'a\0', 'a\0b', 'aa', 'b', '\uffff', '\u{10000}',
    new Uint8Array([]), new Uint8Array([0]), new Uint8Array([0, 0]), new Uint8Array([1]),
    new Uint8Array([255]), new Uint8Array([255, 255]),
    [], [null], [1], [1, 'a'], [1, 'a', 0], [1, 'a\0'], [1, 'b'], ['a'], ['a', []], ['a\0'], [[]],
    [[], 1], [[1]],
  ];
  const raw = ordered.map((key) => tuple.encode(key));
  ordered.forEach((key, at) => {
    assert.deepEqual(tuple.decode(raw[at]), key);
    if (at > 0) assert.ok(compare(raw[at - 1], raw[at]) < 0, `${at}: ${String(key)}`);
  });
  assert.deepEqual(tuple.encode(-0), tuple.encode(0));
  for (const bad of [NaN, new Date(NaN), '\ud800', undefined, {}, Symbol('a'), 2n ** 2000n]) {
    assert.throws(() => tuple.encode(bad), { code: 'SILT_INVALID' });
  }
});

test('texts of every length are UTF-8, and stay so when others are encoded', () => {
  const rand = random(3);
  const letters = ['a', '\0', '\x7f', '\x80', '\u07ff', '\uffff', '\u{10ffff}'];
  const texts = Array.from({ length: 4000 }, () => {
    const kinds = 1 + rand(letters.length);
    const length = rand([8, 60, 600, 24_000][Math.floor(rand(32) ** 2 / 320)]);
    return Array.from({ length }, () => letters[rand(kinds)]).join('');
  });
  const raws = texts.map((text) => utf8.encode(text));
  texts.forEach((text, at) => {
    assert.ok(Buffer.from(text).equals(raws[at]), `${at}: ${text.length} characters`);
    assert.equal(utf8.decode(raws[at]), text);
  });
});

test('batches of texts of every length, and of what else there is, hold what they were given', async () => {
  const rand = random(5);
  const letters = ['a', '\x7f', '\x80', '\u07ff', '\u0800', '\uffff', '\u{10ffff}'];
  let kinds = 0;
  const textOf = (lengths) => Array.from({ length: rand(lengths[rand(lengths.length)]) },
    () => letters[rand(kinds)]).join('');
  const late = [];
  for (const opened of [openSync('texts', { backend: 'memory', values: utf8 }),
    await open('texts', { backend: 'memory', values: utf8 }),
    await open('texts', { backend: 'memory' })]) {
    for (const db of [opened, opened.sub('part/'), opened.sub('\xe9/')]) {
      const wanted = new Map();
      for (let round = 0; round < 60; round += 1) {
        // Of plain text only, and of all there is.
        kinds = round % 2 ? 2 : letters.length;
        const list = Array.from({ length: rand(40) }, () => ({
          type: 'set', key: `k${textOf([4, 45, 130])}`, value: textOf([4, 130, 9_000, 30_000]),
        }));
        const ttl = 1e9;
        if (round % 3 === 2) list.push({ type: 'set', key: 'k', value: 'later', ttl });
        if (round % 3 === 1) list.push({ type: 'delete', key: 'k' });
        for (const { key, value } of list) wanted.set(key, value);
        late.push(db.batch(list));
        // What was given does not change with what is packed after it.
        late.push(db.batch([{ type: 'set', key: '\0', value: String(round) }]));
      }
      await Promise.all(late);
      const keys = [...wanted.keys()];
      assert.deepEqual(await db.getMany(keys), [...wanted.values()]);
      assert.equal(await db.get('\0'), '59');
      // What an operation says besides is heard.
      assert.ok((await db.getRecord('k')).expires > new Date());
    }
    await assert.rejects(async () => opened.batch([{ type: 'set', key: '', value: '' }]),
      { code: 'SILT_KEY_EMPTY' });
    await opened.close();
  }
});

test('a batch with a text that is none is refused, and nothing of it is written', async () => {
  for (const db of [openSync('texts', { backend: 'memory', values: utf8 }),
    await open('texts', { backend: 'memory', values: utf8 })]) {
    for (const texts of [['a', '\ud800'], ['\udfff', 'a'], ['a', 1], [null, 'a'],
      // What ends one makes no pair with what the next begins with.
      ['a', '\ud83d', '\ude00', 'a'], ['a\ud83d', '\ude00']]) {
      const list = [{ type: 'set', key: 'new', value: '' }];
      for (let i = 0; i < texts.length; i += 2) {
        list.push({ type: 'set', key: texts[i], value: texts[i + 1] });
      }
      await assert.rejects(async () => db.batch(list), { code: 'SILT_INVALID' });
    }
    assert.equal(await db.get('new'), undefined);
    await db.close();
  }
});

test('a tuple prefix is the beginning of exactly the keys that begin so', () => {
  const starts = (key, prefix) => compare(tuple.encode(key).subarray(0, tuple.prefix(prefix).length),
    tuple.prefix(prefix)) === 0;
  assert.ok(starts(['user', 1], ['user']));
  assert.ok(starts('users', 'user'));
  assert.ok(!starts(['users', 1], ['user']));
  assert.ok(!starts(['user'], ['user', 1]));
});

test('a range of a tuple prefix has none whose string or bytes go on with a 0', async () => {
  const raw = (...all) => new Uint8Array(all);
  const keys = [
    ['a'], ['a', 1], ['a', '\0'], ['a\0'], ['a\0b', 1], ['b'], [raw(1)], [raw(1), 2], [raw(1, 0)],
    [raw(1, 0, 7), 1], [[raw(1)]], [['a'], 1], [['a\0']], 'a', 'a\0', 'a\0b', 'ab',
    raw(1), raw(1, 0), raw(1, 255), raw(1, 255, 255), raw(2),
  ];
  const begins = (key, prefix) => (Array.isArray(prefix)
    ? Array.isArray(key) && prefix.every((part, at) => at in key && !compare(
      tuple.encode(part), tuple.encode(key[at])))
    : key.constructor === prefix.constructor && (typeof key === 'string' ? key.startsWith(prefix)
      : prefix.every((byte, at) => key[at] === byte)));
  const made = { backend: 'memory', keys: tuple };
  for (const store of [await open('prefix', made), openSync('prefix', made)]) {
    for (const db of [store, store.sub('part/', { keys: tuple })]) {
      for (const key of keys) await db.set(key, 1);
      for (const prefix of [[], ...keys]) {
        const wanted = keys.filter((key) => begins(key, prefix))
          .sort((a, b) => compare(tuple.encode(a), tuple.encode(b)));
        const found = [];
        for await (const key of db.keys({ prefix })) found.push(key);
        assert.deepEqual(found, wanted);
        assert.equal(await db.count({ prefix, gte: null }), wanted.length);
      }
      assert.equal((await db.deleteRange({ prefix: ['a'] })).count, 3);
      assert.equal((await db.deleteRange({ prefix: [raw(1)], lt: [raw(1), 2] })).count, 1);
    }
    await store.close();
  }
});

test('random tuples order as they compare', () => {
  const next = random(7);
  const scalar = () => [
    () => next(1000) - 500, () => BigInt(next(1 << 20)) - 500_000n,
    () => String.fromCharCode(...Array.from({ length: next(4) }, () => next(3))),
  ];
  const make = (kinds) => kinds.map((kind) => scalar()[kind]());
  for (let round = 0; round < 3000; round += 1) {
    const kinds = Array.from({ length: 1 + next(3) }, () => next(3));
    const [a, b] = [make(kinds), make(kinds)];
    const at = a.findIndex((part, i) => part !== b[i]);
    const expected = at < 0 ? 0 : a[at] < b[at] ? -1 : 1;
    assert.equal(Math.sign(compare(tuple.encode(a), tuple.encode(b))), expected);
    assert.deepEqual(tuple.decode(tuple.encode(a)), a);
  }
});

test('damaged tuples are refused', () => {
  const whole = tuple.encode(['a', 1, 2n, new Uint8Array(3)]);
  for (let length = 0; length < whole.length; length += 1) {
    assert.throws(() => tuple.decode(whole.subarray(0, length)), { code: 'SILT_INVALID' });
  }
  assert.throws(() => tuple.decode(new Uint8Array([...whole, 0])), { code: 'SILT_INVALID' });
});

test('structured values come back', () => {
  const shared = { n: 1 };
  const values = [
    undefined, null, true, false, 0, -0, 1.5, -7, NaN, Infinity, -Infinity, 2 ** 53, -(2 ** 53 - 1),
    0n, -(2n ** 80n), '', 'text \u{1f600}', new Date(5), [1, [2]], { a: { b: undefined } },
    new Map([[{ k: 1 }, new Set([1, 'x'])]]), new Uint8Array([1, 2]), new Float64Array([1.5]),
    new DataView(new ArrayBuffer(3)), new ArrayBuffer(2), /a+/gi, [shared, shared],
    new BigInt64Array([-5n]), Object.fromEntries([['constructor', 1]]),
  ];
  for (const value of values) {
    assert.deepStrictEqual(structured.decode(structured.encode(value)), value);
  }
  const circle = { name: 'me' };
  circle.self = circle;
  const back = structured.decode(structured.encode(circle));
  assert.equal(back.self, back);
  const [one, two] = structured.decode(structured.encode([shared, shared]));
  assert.equal(one, two);
  const error = structured.decode(structured.encode(new RangeError('far')));
  assert.ok(error instanceof RangeError);
  assert.equal(error.message, 'far');
  const own = JSON.parse('{"__proto__": {"polluted": 1}}');
  const decoded = structured.decode(structured.encode(own));
  assert.equal(decoded.polluted, undefined);
  assert.deepEqual(Object.keys(decoded), ['__proto__']);
  for (const bad of [() => 1, Symbol('a'), { f() {} }, Promise.resolve(), new WeakMap()]) {
    assert.throws(() => structured.encode(bad), { code: 'SILT_INVALID' });
  }
  const whole = structured.encode({ a: [1, 'x', new Date(1)] });
  for (let length = 0; length < whole.length; length += 1) {
    assert.throws(() => structured.decode(whole.subarray(0, length)), { code: 'SILT_INVALID' });
  }
});

test('what is no data, or fails to be read, is refused and not stored as something else', () => {
  const none = [
    new URL('http://a/'), new URLSearchParams('a'), new Number(5), new String('a'), new Boolean(),
    Object(5n), new SharedArrayBuffer(1), new Headers(), new Blob([]), [].values(),
    runInNewContext('new Date(5)'), runInNewContext('new Map([[1, 2]])'),
    { get a() { throw new Error('mine'); } }, new Array(2 ** 32 - 1),
  ];
  for (const value of none) {
    for (const whole of [value, { a: [value] }]) {
      assert.throws(() => structured.encode(whole), { code: 'SILT_INVALID' });
    }
  }
  const detached = new Uint8Array(1);
  structuredClone(detached, { transfer: [detached.buffer] });
  const around = ['a'];
  around.push(around);
  for (const key of [around, nested(1e5, (inner) => [inner]), detached, [undefined]]) {
    assert.throws(() => tuple.encode(key), { code: 'SILT_INVALID' });
    assert.throws(() => tuple.prefix(key), { code: 'SILT_INVALID' });
  }
});

test('what is read of a Buffer is not the memory around it', () => {
  const value = [new Uint8Array([1, 2]), new Uint8Array([3]).buffer, new Uint16Array([4])];
  assert.deepStrictEqual(structured.decode(Buffer.from(structured.encode(value))), value);
  const raw = Buffer.from([5]);
  const read = bytes.decode(raw);
  raw[0] = 6;
  assert.deepStrictEqual(read, new Uint8Array([5]));
});

test('a structured value is only so deep that it can be read wherever it gets to', () => {
  const kinds = [(a) => [a], (a) => ({ a }), (a) => new Map([[a, 1]]), (a) => new Set([a])];
  for (const around of kinds) {
    const deepest = nested(500, around);
    assert.deepStrictEqual(structured.decode(structured.encode(deepest)), deepest);
    for (const depth of [501, 1e5]) {
      assert.throws(() => structured.encode(nested(depth, around)), {
        code: 'SILT_INVALID', message: 'a value is 500 deep at most',
      });
    }
  }
  // Beside one another, they are not in one another.
  const wide = Array.from({ length: 600 }, () => [[]]);
  assert.deepStrictEqual(structured.decode(structured.encode(wide)), wide);
});

test('text, bytes and JSON', () => {
  for (const text of ['', 'a', '\ufeffmark', 'x'.repeat(100), '\u{1f600}'.repeat(9), '\0']) {
    assert.equal(utf8.decode(utf8.encode(text)), text);
  }
  assert.throws(() => utf8.decode(new Uint8Array([0xff])), { code: 'SILT_INVALID' });
  const raw = new Uint8Array([1, 2, 3]);
  const copy = bytes.decode(raw);
  assert.deepEqual(copy, raw);
  assert.notEqual(copy.buffer, raw.buffer);
  assert.throws(() => bytes.encode('text'), { code: 'SILT_INVALID' });
  assert.deepEqual(json.decode(json.encode({ a: [1, null] })), { a: [1, null] });
  // What its comment and README say of it.
  assert.deepStrictEqual(json.decode(json.encode([NaN, Infinity, -Infinity, -0, new Date(0)])),
    [null, null, null, 0, '1970-01-01T00:00:00.000Z']);
  for (const bad of [undefined, () => 1, 1n, new Map(), new Uint8Array(1), Promise.resolve(1)]) {
    assert.throws(() => json.encode(bad), { code: 'SILT_INVALID' });
  }
  assert.throws(() => json.decode(utf8.encode('{')), { code: 'SILT_INVALID' });
});
