// Packing alone: what one end writes, the other reads, and nonsense is refused.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Reader, Writer } from '../../build/js/bytes.js';
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
    const request = Uint8Array.from({ length: 1 + below(24) }, () => below(3) ? below(20) : below(256));
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
