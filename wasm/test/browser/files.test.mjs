// A store of many files, of which few may be open at a time: everything works as with all open.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inChromium } from './harness.mjs';

const site = inChromium();

const FILES = 3;
/** Beside these the log is open, and what a compaction writes. */
const APPENDED = 2;

/** Opens a store of so few open files, and writes `rounds` of the same 40 keys to it. */
async function filled(page, name, rounds, options) {
  await page.evaluate(async ([name, rounds, options, faults]) => {
    const db = await silt_(name, { segmentBytes: 64 * 1024, ...options }, faults);
    globalThis.db = db;
    globalThis.valueOf_ = (i, round) => `${round} `.padStart(4, '0').repeat(400 + i);
    globalThis.write = async (round) => {
      const batch = db.batch();
      for (let i = 0; i < 40; i += 1) batch.set(`key ${i}`, valueOf_(i, round));
      return (await batch.commit()).seq;
    };
    globalThis.seqs = [];
    for (let round = 0; round < rounds; round += 1) seqs.push(await write(round));
  }, [name, rounds, options, `files=${FILES}`]);
}

/** Runs in the page, and gives what it returns once few files are open again. */
async function run(page, what, ...given) {
  const found = await page.evaluate(what, ...given);
  for (let tries = 0; ; tries += 1) {
    const open = await page.evaluate(() => db.get('key 0').then(openFiles));
    if (open <= FILES + APPENDED) return found;
    // A request is answered before the files it needed are closed.
    assert.ok(tries < 100, `${open} files are open`);
  }
}

test('reads, scans, the past and changes of a store with few files open', async () => {
  const page = await site.page();
  await filled(page, 'few', 24, { autoCompact: false, retention: 'forever' });
  await run(page, () => {});
  assert.ok(await page.evaluate(async () => (await db.segments()).length) > 20);
  const past = await run(page, async () => {
    const wrong = [];
    for (const [round, at] of seqs.entries()) {
      const value = await db.get(`key ${round}`, { at });
      if (value !== valueOf_(round, round)) wrong.push(round);
    }
    const rounds = await Promise.all(seqs.map((at) => db.get('key 7', { at })));
    return { wrong, rounds: rounds.map((value) => Number.parseInt(value, 10)) };
  });
  assert.deepEqual(past, { wrong: [], rounds: Array.from({ length: 24 }, (_, i) => i) });
  const scanned = await run(page, async () => {
    const view = await db.snapshot();
    await write(99);
    const old = await db.entries({ at: view, reverse: true }).all();
    await view.close();
    const keys = [];
    for await (const [key, value] of db.entries()) keys.push(key, value.startsWith('099 '));
    const history = await db.history('key 3');
    return [old.map(([key, value]) => key + value.slice(0, 4)), keys, history.length];
  });
  const sorted = Array.from({ length: 40 }, (_, i) => `key ${i}`).sort();
  assert.deepEqual(scanned[0], sorted.map((key) => `${key}023 `).reverse());
  assert.deepEqual(scanned[1], sorted.flatMap((key) => [key, true]));
  assert.equal(scanned[2], 25);
  const watched = await run(page, async () => {
    let changes = 0;
    for await (const change of db.watch({ since: seqs[3] })) {
      changes += 1;
      if (change.last && changes === 21 * 40) return changes;
    }
  });
  assert.equal(watched, 21 * 40);
  await page.close();
});

test('compaction, export and import of a store with few files open', async () => {
  const page = await site.page();
  await filled(page, 'compacted', 12, { autoCompact: false, retention: 'forever' });
  const copied = await run(page, async () => {
    globalThis.copy = await db.exportFile();
    const before = (await db.segments()).length;
    await db.setRetention('latest');
    await db.compact();
    const after = (await db.segments()).length;
    return [before, after, await db.count(), (await db.get('key 39')).length];
  });
  assert.ok(copied[0] > copied[1], `${copied[0]} and then ${copied[1]} segments`);
  assert.deepEqual(copied.slice(2), [40, 439 * 4]);
  const restored = await page.evaluate(async (faults) => {
    await db.close();
    globalThis.db = await silt_('restored', { restore: copy }, faults);
    const counts = await Promise.all(seqs.map((at) => db.get('key 5', { at })));
    return counts.map((value) => Number.parseInt(value, 10));
  }, `files=${FILES}`);
  assert.deepEqual(restored, Array.from({ length: 12 }, (_, i) => i));
  await run(page, () => {});
  await page.close();
});

test('automatic compaction goes on beside reads with few files open', async () => {
  const page = await site.page();
  await filled(page, 'automatic', 60, {});
  const last = await run(page, async () => {
    for (let i = 0; i < 300; i += 1) {
      if (i % 10 === 0) await write(100 + i);
      await db.get(`key ${i % 40}`);
    }
    // While nobody asks for anything, it is done.
    for (const end = Date.now() + 60_000; ;) {
      await new Promise((resolve) => setTimeout(resolve, 600));
      const { length } = await db.segments();
      if (length <= 8 || Date.now() > end) {
        return [length, await db.count(), Number.parseInt(await db.get('key 9'), 10)];
      }
    }
  });
  assert.ok(last[0] <= 8, `${last[0]} segments are left of 90`);
  assert.deepEqual(last.slice(1), [40, 390]);
  await page.close();
});

const TIME = { timeout: 20_000 };

test('a store is read before new files can be made, and written after', TIME, async () => {
  const page = await site.page();
  const found = await page.evaluate(async () => {
    const options = { segmentBytes: 64 * 1024, autoCompact: false };
    const values = ['before', 'after'].map((word) => word.repeat(20_000));
    const first = await silt_('late', options);
    await first.set('key', values[0]);
    await first.close();
    const db = await silt_('late', options, 'spares=late');
    const read = [await db.get('key')];
    const writing = db.set('key', values[1]);
    workers.at(-1).postMessage({ t: 'spares' });
    await writing;
    read.push(await db.get('key'));
    return read.map((value, i) => value === values[i]);
  });
  assert.deepEqual(found, [true, true]);
  await page.close();
});
