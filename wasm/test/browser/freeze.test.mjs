// A tab that the browser freezes or puts away: others go on, and it comes back to the same store.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inChromium } from './harness.mjs';

const site = inChromium();

const TIME = { timeout: 120_000 };
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function within(ms, what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took more than ${ms} ms`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** Sets the life of a page as the browser does for tabs in the background. */
async function lifeOf(page) {
  const cdp = await site.chrome.context.newCDPSession(page);
  return (state) => cdp.send('Page.setWebLifecycleState', { state });
}

for (const backend of ['opfs', 'idb']) {
  test(`${backend}: the leader's tab is frozen while all write: none lost, none twice`, TIME,
    async () => {
      const name = `frozen-${backend}`;
      const pages = [];
      for (let i = 0; i < 2; i += 1) {
        const page = await site.page();
        await page.evaluate(async ([name, backend]) => {
          await open_(name, { backend });
          globalThis.done = 0;
          globalThis.run = async (count) => {
            for (let n = 0; n < count; n += 1) {
              await stores[name].increment('counter');
              globalThis.done += 1;
            }
          };
        }, [name, backend]);
        pages.push(page);
      }
      const [one, two] = pages;
      const life = await lifeOf(one);
      await one.evaluate(() => {
        globalThis.running = Promise.all([run(400), run(400)]);
      });
      for (let round = 0; round < 2; round += 1) {
        await pause(60);
        await life('frozen');
        // Whoever is awake is answered, and soon.
        await within(20_000, 'a write beside a frozen leader', two.evaluate(() => run(50)));
        await life('active');
      }
      await within(20_000, 'the thawed tab', one.evaluate(() => running));
      const done = await Promise.all(pages.map((page) => page.evaluate(() => done)));
      assert.deepEqual(done, [800, 100]);
      const counted = await Promise.all(
        pages.map((page) => page.evaluate((name) => stores[name].get('counter'), name)),
      );
      assert.deepEqual(counted, ['900', '900']);
      for (const page of pages) await page.close();
    });
}

test('a tab that goes back in its history finds its store as it was', TIME, async () => {
  const [one, two] = [
    await site.page(), await site.page(),
  ];
  for (const page of [one, two]) await page.evaluate(async () => void (await open_('back')));
  await one.evaluate(() => {
    globalThis.kept = 'the same page';
    addEventListener('pageshow', (event) => (globalThis.persisted = event.persisted));
    return stores.back.set('a', '1');
  });
  await one.evaluate(() => {
    // Begun when the tab is put away, done when it comes back.
    globalThis.pending = Promise.all(Array.from({ length: 20 }, () => stores.back.increment('n')));
  });
  await one.goto(`${site.url}silent.js`);
  await within(20_000, 'a write beside a tab put away', two.evaluate(() => stores.back.set('a', '2')));
  await one.goBack({ waitUntil: 'commit' });
  await one.waitForFunction(() => 'open_' in globalThis);
  const found = await one.evaluate(async () => {
    // Kept in the cache of pages or loaded again: either way the store is there.
    const cached = globalThis.kept === 'the same page';
    if (!cached) await open_('back');
    else await pending;
    const before = await stores.back.get('a');
    await stores.back.set('a', '3');
    const n = cached ? await stores.back.get('n') : '20';
    return { cached, persisted: globalThis.persisted, before, n };
  });
  assert.equal(found.before, '2', JSON.stringify(found));
  assert.equal(await two.evaluate(() => stores.back.get('a')), '3');
  assert.equal(found.n, '20');
  for (const page of [one, two]) await page.close();
});
