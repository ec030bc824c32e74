// What the entry for browsers is given that cannot be meant, and what it tells of where a store is.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inChromium } from './harness.mjs';

const site = inChromium();

test('what cannot be opened, restored or removed is refused, and leaves no store', async () => {
  const page = await site.page();
  const found = await page.evaluate(async () => {
    const blob = new Blob(['x']);
    const calls = [];
    for (const name of [undefined, null, 5, {}]) {
      calls.push(['open', name], ['destroy', name], ['importFile', name, blob]);
    }
    for (const no of [undefined, null, 5, 'x', new Uint8Array(1)]) calls.push(['importFile', 'a', no]);
    for (const options of [null, 5, 'x', { durabilty: 'synced' }, { durability: 'hard' },
      { segmentBytes: 'x' }, { create: 1 }, { retention: 'last' }, { retention: () => {} },
      { backend: 'disk' }, { backend: 'node-fs' }, { fallback: 'mem' }, { multiTab: 'exclusiv' },
      { restore: 5 }, { restore: null }, { keys: {} }, { values: 5 }, { storage: {} }]) {
      calls.push(['open', 'a', options]);
      if (!('restore' in Object(options))) calls.push(['importFile', 'a', blob, options]);
    }
    const wrong = [];
    for (const [verb, ...given] of calls) {
      const { code, message } = await told(() => siltdb[verb](...given));
      if (code !== 'SILT_INVALID') wrong.push([verb, JSON.stringify(given), code, message]);
    }
    return { wrong, calls: calls.length, left: await siltdb.list() };
  });
  assert.deepEqual(found.wrong, []);
  assert.ok(found.calls > 40);
  assert.deepEqual(found.left, []);
  await page.close();
});

for (const refuses of ['SecurityError', 'UnknownError']) {
  test(`a window that refuses files by ${refuses} has its stores in IndexedDB`, async () => {
    const page = await site.page();
    const found = await page.evaluate(async (refuses) => {
      const name = `refused-${refuses}`;
      StorageManager.prototype.getDirectory = () => Promise.reject(new DOMException('no', refuses));
      const db = await silt_(name, {}, `refuses=${refuses}`);
      const events = [];
      db.onEvent((event) => events.push(event.type));
      await db.set('a', 1);
      const { backend } = db.info;
      const there = await siltdb.list();
      await db.close();
      await siltdb.destroy(name);
      return { backend, events, there: there.includes(name), left: await siltdb.list() };
    }, refuses);
    assert.equal(found.backend, 'idb');
    // What happened while it was opened is told to who listens later; that it is closed, once.
    assert.equal(found.events[0], 'fallback');
    assert.equal(found.events.filter((type) => type === 'closed').length, 1);
    assert.ok(found.there);
    assert.ok(!found.left.includes(`refused-${refuses}`));
    await page.close();
  });
}
