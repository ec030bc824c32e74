// Snapshots and iterations outlive the leader that held them, or fail by name.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inChromium } from './harness.mjs';

const site = inChromium();

const KEYS = 3000;
const TIME = { timeout: 30_000 };

/** A leader and a follower of a store full of 'old'; the follower holds what `hold` opens. */
async function pair(name, backend, hold) {
  const pages = [];
  for (let i = 0; i < 2; i += 1) {
    const page = await site.page();
    await page.evaluate(async ([name, backend]) => {
      await silt_(name, { backend, segmentBytes: 64 * 1024 });
    }, [name, backend]);
    pages.push(page);
  }
  const [one, two] = pages;
  await one.evaluate(async ([name, keys]) => {
    const key = (i) => `key ${String(i).padStart(5, '0')}`;
    globalThis.fill = (value) => silts[name].batch(
      Array.from({ length: keys }, (_, i) => ({ type: 'set', key: key(i), value })),
    );
    await fill('old');
  }, [name, KEYS]);
  await two.evaluate(hold, name);
  await one.evaluate(() => fill('new'));
  return pages;
}

const kill = (page) => page.evaluate(() => workers.at(-1).terminate());

async function close(pages) {
  for (const page of pages) await page.close();
}

for (const backend of ['opfs', 'idb']) {
  test(`${backend}: a snapshot reads the same when its leader is killed`, TIME, async () => {
    const name = `held-${backend}`;
    const pages = await pair(name, backend, async (name) => {
      globalThis.snapshot = await silts[name].snapshot();
    });
    await kill(pages[0]);
    const found = await pages[1].evaluate(async (name) => {
      const snapshot = globalThis.snapshot;
      const found = [await snapshot.get('key 00007'), await silts[name].get('key 00007')];
      // It is held there, too: what only it reads is not compacted away.
      await silts[name].compact();
      found.push(await snapshot.get('key 00008'), (await snapshot.values().all()).length);
      found.push(new Set(await snapshot.values().all()).size);
      await snapshot.close();
      found.push((await told(() => snapshot.get('key 00009'))).code);
      return found;
    }, name);
    assert.deepEqual(found, ['old', 'new', 'old', KEYS, 1, 'SILT_INVALID']);
    await close(pages);
  });

  test(`${backend}: iterations go on at their moment when the leader is killed`, TIME, async () => {
    const name = `walk-${backend}`;
    const pages = await pair(name, backend, async (name) => {
      globalThis.scans = [false, true].map((reverse) => {
        return silts[name].entries({ reverse, chunkBytes: 2000 });
      });
      globalThis.first = await Promise.all(scans.map((scan) => scan.take(10)));
    });
    await kill(pages[0]);
    const found = await pages[1].evaluate(async () => {
      const rest = await Promise.all(scans.map((scan) => scan.all()));
      return rest.map((records, i) => [...first[i], ...records]);
    });
    for (const [i, records] of found.entries()) {
      if (i === 1) records.reverse();
      assert.deepEqual(records.map(([key]) => key).join(), [...new Set(records.map(([key]) => key))]
        .sort().join());
      assert.equal(records.length, KEYS);
      assert.deepEqual([...new Set(records.map(([, value]) => value))], ['old']);
    }
    await close(pages);
  });
}

test('a snapshot whose moment is compacted away is told by name', TIME, async () => {
  const pages = await pair('lapsed', 'opfs', async (name) => {
    globalThis.snapshot = await silts[name].snapshot();
  });
  // The follower sleeps while the leader dies and a third tab takes over.
  const third = await site.page();
  await third.evaluate(async () => void (await silt_('lapsed', { segmentBytes: 64 * 1024 })));
  await pages[1].evaluate(() => dispatchEvent(
    new PageTransitionEvent('pagehide', { persisted: true }),
  ));
  await pages[0].close();
  const after = await third.evaluate(async () => {
    await silts.lapsed.set('more', 1);
    return silts.lapsed.compact();
  });
  assert.ok(after.after < after.before);
  const found = await pages[1].evaluate(async () => {
    dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }));
    const { code } = await told(() => snapshot.get('key 00007'));
    return [code, await silts.lapsed.get('key 00007')];
  });
  assert.deepEqual(found, ['SILT_HISTORY_GONE', 'new']);
  await close([pages[1], third]);
});
