// Stores are listed and done away with by name, in both homes, and never under a reader.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inChromium } from './harness.mjs';

const site = inChromium();

const NAMES = ['plain', '..', 'a/b', 'ä 100%', '', '%2E'];

for (const backend of ['opfs', 'idb']) {
  test(`${backend}: stores of any name are listed, and are gone after destroy`, async () => {
    const page = await site.page();
    const found = await page.evaluate(async ([names, backend]) => {
      for (const name of names) {
        const s = await open_(name, { backend });
        await s.set('whose', name);
        await s.close();
      }
      const found = { before: await list_(), left: [], again: [] };
      for (const name of names) {
        await destroy_(name);
        found.left.push((await list_()).length);
        // None is there any more: fine.
        await destroy_(name);
      }
      for (const name of names) {
        const s = await open_(name, { backend });
        found.again.push(await s.count());
        await s.close();
        await destroy_(name);
      }
      found.after = await list_();
      return found;
    }, [NAMES, backend]);
    assert.deepEqual(found.before, [...NAMES].sort());
    assert.deepEqual(found.left, NAMES.map((_, i) => NAMES.length - 1 - i));
    assert.deepEqual(found.again, NAMES.map(() => 0));
    assert.deepEqual(found.after, []);
    await page.close();
  });

  test(`${backend}: a store that is open anywhere is locked, and loses nothing`, async () => {
    const [one, two] = [
      await site.page(), await site.page(),
    ];
    const name = `busy-${backend}`;
    await one.evaluate(async ([name, backend]) => {
      await (await open_(name, { backend })).set('a', 'b', 'synced');
    }, [name, backend]);
    for (const page of [one, two]) {
      assert.equal((await page.evaluate((name) => told(() => destroy_(name)), name)).code,
        'SILT_LOCKED');
    }
    assert.equal(await one.evaluate((name) => stores[name].get('a'), name), 'b');
    assert.deepEqual(await two.evaluate(() => list_()), [name]);
    // Its tab gone, however it went, the store may go at once.
    await one.close();
    const gone = await two.evaluate(async ([name, backend]) => {
      const { code } = await told(async () => {
        for (;;) {
          const { code } = await told(() => destroy_(name));
          if (code !== 'SILT_LOCKED') return;
          await new Promise((resolve) => setTimeout(resolve, 5));
        }
      });
      return [code, await list_(), await (await open_(name, { backend })).count()];
    }, [name, backend]);
    assert.deepEqual(gone, [undefined, [], 0]);
    await two.evaluate(async (name) => {
      await stores[name].close();
      await destroy_(name);
    }, name);
    await two.close();
  });
}
