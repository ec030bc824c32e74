// Packing alone: what one end writes, the other reads, and nonsense is refused.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Reader, Writer } from '../../build/js/bytes.js';
import { runRest } from '../../build/js/resolve.js';
import { mayFail, walk } from '../../build/js/walk.js';
import { encodeGet, encodeSetMany, encodeWrite } from '../../build/js/wire.js';
import { memoryEngine, random } from './helpers.mjs';

test('numbers, bytes and strings come back', () => {
  const numbers = [0, 1, 127, 128, 300, 2 ** 31, 2 ** 32 + 5, Number.MAX_SAFE_INTEGER];
  const w = new Writer(1);
  for (const n of numbers) w.n(n);
  w.b(new TextEncoder().encode('gr\u00fc\u00df \u{1f600}')).b(new Uint8Array(1000).fill(7)).u8(255);
  const r = new Reader(w.take());
  for (const n of numbers) assert.equal(r.n(), n);
  assert.equal(r.s(), 'gr\u00fc\u00df \u{1f600}');
  assert.ok(r.b().every((byte) => byte === 7));
  assert.equal(r.u8(), 255);
  assert.ok(r.done);
  assert.equal(w.take().length, 0);
});

test('what is no number or ends early is refused', () => {
  for (const n of [-1, 0.5, NaN, Infinity, 2 ** 53]) {
    assert.throws(() => new Writer().n(n), { code: 'SILT_INVALID' }, `${n}`);
  }
  for (const bytes of [[], [0x80], [5, 1], [255, 255, 255, 255, 255, 255, 255, 255, 255]]) {
    assert.throws(() => new Reader(new Uint8Array(bytes)).b(), { code: 'SILT_INVALID' });
  }
});

test('no request, however mangled, does more than fail', () => {
  const below = random(5);
  const engine = memoryEngine();
  let refused = 0;
  for (let i = 0; i < 20_000; i += 1) {
    const request = Uint8Array.from({ length: 1 + below(24) }, () => below(3) ? below(23) : below(256));
    try {
      engine.execute(1, request);
    } catch (e) {
      assert.equal(e.code, 'SILT_INVALID');
      refused += 1;
    }
  }
  assert.ok(refused > 1000);
  engine.close();
});

const raw = (text) => new TextEncoder().encode(text);

/** A read, texts that are set, and a write. */
function request(texts, ifSeq) {
  const w = new Writer();
  encodeGet(w, raw('k'));
  if (ifSeq) encodeWrite(w, [{ key: raw('k'), ifSeq }]);
  encodeSetMany(w, texts);
  encodeWrite(w, [{ key: raw('d') }, { key: raw('k'), value: raw('v'), ifSeq, expires: 5 }]);
  return w.take();
}

test('what a request writes is found in it, and whether that may fail', () => {
  for (const texts of [['a', '\x05', 'bc', 'x'.repeat(300)], ['\u{1f600}', '\xe9', '', '\u2028']]) {
    const operations = walk(request(texts));
    assert.deepEqual(operations.map(({ writes }) => writes), [undefined,
      [{ key: raw(texts[0]), value: raw(texts[1]) }, { key: raw(texts[2]), value: raw(texts[3]) }],
      [{ key: raw('d'), value: undefined }, { key: raw('k'), value: raw('v') }]]);
    assert.deepEqual(operations.map(({ start }) => start).slice(1),
      operations.map(({ end }) => end).slice(0, -1));
    assert.deepEqual([mayFail(request(texts)), mayFail(request(texts, 7))], [false, true]);
  }
  const read = new Writer();
  encodeGet(read, raw('k'));
  assert.equal(mayFail(read.take()), undefined);
});

test('of a request that comes again, what was done is answered and the rest is run', async () => {
  const changes = new Map([['a', raw('1')], ['b', raw('2')]]);
  for (const texts of [['a', '1', 'b', '2'], ['a', '1', 'b', '3'], ['a', '1']]) {
    const run = [];
    const execute = (part) => {
      run.push(part);
      return Uint8Array.of(0, 1);
    };
    const commits = [{ seq: 9, under: 4, changes, count: 2 }];
    const [reply] = await runRest(execute, request(texts), 4, commits);
    const done = commits.length === 0;
    assert.equal(done, texts[3] === '2');
    assert.equal(run.some((part) => part[0] === 22), !done);
    assert.equal(reply.includes(9), done);
  }
});
