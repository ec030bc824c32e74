// The whole browser is killed, a manifest is torn, space runs out: what was acknowledged stays.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newPage, scratch, served, start } from './harness.mjs';

const site = served();

test('the browser is killed while it writes: what was acknowledged is there', async () => {
  const profile = scratch();
  for (let round = 0; round < 2; round += 1) {
    const chrome = await start(profile);
    const page = await newPage(chrome.context, site.url);
    const acknowledged = { opfs: -1, idb: -1 };
    await page.exposeFunction('acknowledge', (backend, i) => (acknowledged[backend] = i));
    for (const backend of ['opfs', 'idb']) {
      await page.evaluate(async ([round, backend]) => {
        const s = await open_('killed', { backend }, '', backend);
        void (async () => {
          for (let i = 0; ; i += 1) {
            await s.set(`${round} ${i}`, 'x'.repeat(100 + i), i % 10 ? 'flushed' : 'synced');
            await acknowledge(backend, i);
          }
        })();
      }, [round, backend]);
    }
    const enough = () => acknowledged.opfs > 30 && acknowledged.idb > 30;
    while (!enough()) await new Promise((resolve) => setTimeout(resolve, 10));
    await chrome.kill();
    const last = { ...acknowledged };
    const again = await start(profile);
    const after = await newPage(again.context, site.url);
    for (const backend of ['opfs', 'idb']) {
      const keys = await after.evaluate(async (backend) => {
        const s = await open_('killed', { backend }, '', backend);
        return (await s.all()).map(([key, value]) => [key, value.length]);
      }, backend);
      const lengths = new Map(keys);
      for (let i = 0; i <= last[backend]; i += 1) {
        assert.equal(lengths.get(`${round} ${i}`), 100 + i, `${backend}, round ${round}, ${i}`);
      }
      // No hole: what is there beyond is what came next.
      const mine = keys.filter(([key]) => key.startsWith(`${round} `)).length;
      assert.ok(lengths.has(`${round} ${mine - 1}`));
    }
    await again.close();
  }
});

test('a manifest torn by a kill counts as absent, at the first and at a later one', async () => {
  const chrome = await start(scratch());
  const page = await newPage(chrome.context, site.url);
  const found = await page.evaluate(async () => {
    const found = [];
    for (const stopAt of [1, 2, 4]) {
      const name = `torn${stopAt}`;
      const options = { segmentBytes: 64 * 1024 };
      let acknowledged = 0;
      const opening = open_(name, options, `stopAt=${stopAt}`);
      const work = (async () => {
        const s = await opening;
        for (let i = 0; i < 100; i += 1) {
          await s.set(`${i}`, 'x'.repeat(5000));
          acknowledged = i + 1;
        }
      })();
      // The worker stops in the middle of publishing: nothing comes from it any more.
      let before;
      do {
        before = acknowledged;
        await new Promise((resolve) => setTimeout(resolve, 700));
      } while (acknowledged !== before || (stopAt > 2 && before <= 10));
      const finished = before === 100;
      workers.at(-1).terminate();
      // The channel starts another worker, which answers what is unanswered.
      await work;
      found.push({ stopAt, finished, before, count: await stores[name].count() });
      await stores[name].close();
    }
    return found;
  });
  for (const { stopAt, finished, count } of found) {
    assert.equal(finished, false, `publishing ${stopAt} was not reached`);
    assert.equal(count, 100, `publishing ${stopAt}`);
  }
  assert.equal(found[0].before, 0);
  assert.ok(found.at(-1).before > 10);
  await chrome.close();
});

test('opfs: without space a write fails by name, and works when there is space again', async () => {
  const chrome = await start(scratch());
  const page = await newPage(chrome.context, site.url);
  const found = await page.evaluate(async () => {
    let s = await open_('full', {}, 'space=200000');
    let kept = 0;
    let failure;
    while (!failure) {
      const { code } = await told(() => s.set(`${kept}`, 'x'.repeat(1000)));
      if (code) failure = code;
      else kept += 1;
    }
    const next = await told(() => s.set('more', 'x'));
    const read = [await s.get('0'), await s.get(`${kept - 1}`)].map((value) => value?.length);
    const closing = await told(() => s.close());
    s = await open_('full');
    const count = await s.count();
    const { durability } = await s.set('more', 'x', 'synced');
    await s.close();
    return { kept, failure, next, read, closing, count, durability };
  });
  assert.equal(found.failure, 'SILT_OUT_OF_SPACE');
  assert.equal(found.next.code, 'SILT_POISONED');
  assert.ok(found.kept > 100);
  assert.deepEqual(found.read, [1000, 1000]);
  // The write that failed may be there or not.
  assert.ok([found.kept, found.kept + 1].includes(found.count));
  assert.equal(found.durability, 'synced');
  await chrome.close();
});

test('idb: over the quota a write fails by name, and works when there is space again', async () => {
  const chrome = await start(scratch());
  const page = await newPage(chrome.context, site.url);
  const cdp = await chrome.context.newCDPSession(page);
  const origin = new URL(site.url).origin;
  const quota = (quotaSize) => cdp.send('Storage.overrideQuotaForOrigin', { origin, quotaSize });
  // Before the first use: the browser remembers for a while how much space there was.
  await quota(3_000_000);
  const found = await page.evaluate(async () => {
    const s = await open_('quota', { backend: 'idb' });
    await s.set('first', 'x'.repeat(1000), 'synced');
    let failure;
    for (let i = 0; i < 40 && !failure; i += 1) {
      const noise = Array.from({ length: 300_000 }, () => String.fromCharCode(Math.random() * 128));
      failure = (await told(() => s.set(`${i}`, noise.join('')))).code;
    }
    const next = await told(() => s.set('more', 'x'));
    const first = (await s.get('first'))?.length;
    await told(() => s.close());
    return { failure, next, first };
  });
  assert.equal(found.failure, 'SILT_OUT_OF_SPACE');
  assert.ok(['SILT_OUT_OF_SPACE', 'SILT_POISONED'].includes(found.next.code), found.next.code);
  assert.equal(found.first, 1000);
  await cdp.send('Storage.overrideQuotaForOrigin', { origin });
  const later = await page.evaluate(async () => {
    const s = await open_('quota', { backend: 'idb' });
    await s.set('more', 'y'.repeat(300_000), 'synced');
    return [(await s.get('first')).length, (await s.get('more')).length];
  });
  assert.deepEqual(later, [1000, 300_000]);
  await chrome.close();
});
