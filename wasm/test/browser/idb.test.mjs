// What IndexedDB is given: small commits are cheap, files come back byte for byte, and a write is
// acknowledged when its transaction is complete.

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

test('idb: a write is not acknowledged while its transaction cannot run', TIME, async () => {
  const page = await site.page();
  const found = await page.evaluate(async () => {
    const s = await open_('held', { backend: 'idb' });
    await s.set('before', 'x');
    const database = await new Promise((resolve) => {
      indexedDB.open('siltdb:held').onsuccess = ({ target }) => resolve(target.result);
    });
    // A transaction over the same object store, kept alive by one request after the other: those
    // of the worker come after it.
    let held = true;
    const holder = database.transaction('chunks', 'readwrite');
    const over = new Promise((resolve) => (holder.oncomplete = resolve));
    const again = () => {
      if (held) holder.objectStore('chunks').get(0).onsuccess = again;
    };
    again();
    const early = [];
    const write = async (durability) => {
      await s.set(durability, 'x', durability);
      if (held) early.push(durability);
    };
    const writes = Promise.all([write('flushed'), write('synced')]);
    await new Promise((resolve) => setTimeout(resolve, 500));
    held = false;
    await over;
    await writes;
    const count = await s.count();
    database.close();
    await s.close();
    return { early, count };
  });
  assert.deepEqual(found, { early: [], count: 3 });
  await page.close();
});

test('idb: a write is acknowledged when its transaction is complete', TIME, async () => {
  const page = await site.page();
  const found = await page.evaluate(async () => {
    let begun = [];
    let complete = [];
    const { transaction } = IDBDatabase.prototype;
    IDBDatabase.prototype.transaction = function (stores, mode, options) {
      const made = transaction.call(this, stores, mode, options);
      begun.push(made.durability);
      // Heard before the package's own listener is called.
      made.addEventListener('complete', () => complete.push(made.durability));
      return made;
    };
    // The engine runs in the page, so that its transactions can be watched.
    const options = { backend: 'idb', autoCompact: false, syncIntervalMs: 60_000 };
    const s = await open_('complete', { worker: { serve }, ...options });
    // The first one comes with the manifest.
    await s.set('0', 'x', 'synced');
    const found = [];
    for (const [length, durability] of [[1, 'flushed'], [1, 'synced'], [1 << 20, 'flushed']]) {
      [begun, complete] = [[], []];
      await s.set(`${found.length}`, 'x'.repeat(length), durability);
      found.push({ begun: [...begun], complete: [...complete] });
    }
    await s.close();
    return found;
  });
  const one = (durability) => ({ begun: [durability], complete: [durability] });
  assert.deepEqual(found, [one('relaxed'), one('strict'), one('relaxed')]);
  await page.close();
});

test('idb: an engine in the page answers in the same turn', TIME, async () => {
  const page = await site.page();
  const found = await page.evaluate(async () => {
    const s = await open_('inside', { worker: { serve }, backend: 'idb' });
    await s.set('a', '1');
    let value;
    s.get('a').then((got) => (value = got));
    // However many promises are on the way: no message and no timer is.
    for (let i = 0; i < 50; i += 1) await undefined;
    const found = value;
    await s.close();
    return found;
  });
  assert.equal(found, '1');
  await page.close();
});

test('idb: an engine in the page that stops is followed by another', TIME, async () => {
  const page = await site.page();
  const found = await page.evaluate(async () => {
    const { now } = Date;
    let failing = false;
    Date.now = () => {
      if (!failing) return now();
      failing = false;
      throw new Error('the clock is broken');
    };
    const s = await open_('stopped', { worker: { serve }, backend: 'idb' });
    await s.set('a', '1');
    failing = true;
    await s.set('b', '2');
    const found = [failing, await s.get('a'), await s.get('b'), await s.count()];
    await s.close();
    return found;
  });
  assert.deepEqual(found, [false, '1', '2', 2]);
  await page.close();
});

test('idb: a store that the browser has thrown away says so, and can be made again', TIME, async () => {
  const page = await site.page();
  await page.evaluate(async () => {
    const s = await open_('thrown', { backend: 'idb' });
    await s.set('a', '1', 'synced');
  });
  const cdp = await site.chrome.context.newCDPSession(page);
  const origin = new URL(site.url).origin;
  await cdp.send('Storage.clearDataForOrigin', { origin, storageTypes: 'indexeddb' });
  const found = await page.evaluate(async () => {
    const s = stores.thrown;
    const first = await told(() => s.set('b', '2', 'synced'));
    const again = await told(() => s.set('c', '3', 'synced'));
    await told(() => s.close());
    const fresh = await open_('thrown', { backend: 'idb' });
    const before = await fresh.count();
    await fresh.set('d', '4', 'synced');
    return [first.code, again.code, before, await fresh.get('d')];
  });
  assert.deepEqual(found, ['SILT_NOT_FOUND', 'SILT_NOT_FOUND', 0, '4']);
  await page.close();
});
