// What IndexedDB is given: small commits are cheap, and files come back byte for byte.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inChromium } from './harness.mjs';

const site = inChromium();

const TIME = { timeout: 60_000 };

test('idb: a small commit writes about what it appends', TIME, async () => {
  const page = await site.page();
  const { bytes, count } = await page.evaluate(async () => {
    let bytes = 0;
    const { put } = IDBObjectStore.prototype;
    IDBObjectStore.prototype.put = function (value, key) {
      bytes += value.byteLength ?? 0;
      return put.call(this, value, key);
    };
    // The engine runs in the page, so that its database can be watched.
    const s = await open_('small', { worker: { serve }, backend: 'idb', syncIntervalMs: 60_000 });
    await s.setMany(Array.from({ length: 300 }, (_, i) => [`first ${i}`, 'x'.repeat(150)]));
    bytes = 0;
    for (let i = 0; i < 200; i += 1) await s.set(`key ${i}`, 'x'.repeat(100));
    const found = { bytes, count: await s.count() };
    await s.close();
    return found;
  });
  assert.equal(count, 500);
  // 200 times some 150 bytes, and now and then the chunk of 64 KiB around them.
  assert.ok(bytes < 200 * 2000, `${bytes} bytes for 200 commits`);
  await page.close();
});

test('idb: files in pieces are read as they were written, whatever was killed', TIME, async () => {
  const page = await site.page();
  const found = await page.evaluate(async () => {
    const options = { backend: 'idb', segmentBytes: 1 << 20, autoCompact: false };
    const kept = new Map();
    let random = 7;
    const next = (below) => (random = (random * 48_271) % 2_147_483_647) % below;
    const wrong = [];
    for (let round = 0; round < 6; round += 1) {
      const s = await open_('pieces', options);
      const there = new Map(await s.all());
      for (const [key, value] of kept) if (there.get(key) !== value) wrong.push([round, key]);
      if (there.size !== kept.size) wrong.push([round, there.size, kept.size]);
      for (let i = 0; i < 120; i += 1) {
        // Mostly small, some of a chunk or more, and some that end a chunk to the byte or so.
        const length = [next(200), next(200), next(5000), 65_536 - next(400), next(150_000)];
        const value = `${round} ${i} `.padEnd(length[next(40) > 36 ? 2 + next(3) : next(2)], 'v');
        const key = `key ${next(150)}`;
        await s.set(key, value, next(10) ? 'flushed' : 'synced');
        kept.set(key, value);
      }
      // A clean close, or none: the tail is then cut off and written anew.
      if (round % 2) await s.close();
      else workers.at(-1).terminate();
    }
    return { wrong, kept: kept.size };
  });
  assert.deepEqual(found.wrong, []);
  assert.ok(found.kept > 100);
  await page.close();
});
