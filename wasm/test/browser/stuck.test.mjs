// A worker that runs for ever without answering is ended by its page, and another takes over.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inChromium } from './harness.mjs';

const site = inChromium();

const TIME = { timeout: 60_000 };

for (const backend of ['opfs', 'idb']) {
  test(`${backend}: the leader is stuck while two tabs add: none lost, none twice`, TIME, async () => {
    const pages = [];
    for (let i = 0; i < 2; i += 1) {
      const page = await site.page();
      // The leader is stuck when it would answer a write: that is done by then. The other tab
      // opens the store meanwhile.
      await page.evaluate(async ([name, options, faults]) => {
        const s = await open_(name, options, faults);
        globalThis.running = (async () => {
          for (let n = 0; n < 60; n += 1) await s.increment('counter');
          return s.get('counter');
        })();
      }, [`stuck-${backend}`, { backend, answerTimeoutMs: 3000 }, i ? '' : 'muteAt=40']);
      pages.push(page);
    }
    const last = await Promise.all(pages.map((page) => page.evaluate(() => running)));
    assert.equal(Math.max(...last.map(Number)), 120);
    const started = await pages[0].evaluate(() => workers.length);
    assert.equal(started, 2);
    for (const page of pages) await page.close();
  });
}

test('a store whose every worker is stuck is an error by name', TIME, async () => {
  const page = await site.page();
  const found = await page.evaluate(async () => {
    const worker = () => new Worker('/worker.js', { type: 'module', name: 'muteAt=1' });
    const s = await open_('always', { worker, answerTimeoutMs: 300 });
    return [await told(() => s.get('a')), await told(() => s.get('a'))];
  });
  assert.deepEqual(found.map(({ code }) => code), ['SILT_CRASHED', 'SILT_CRASHED']);
  await page.close();
});

test('a worker that is idle, or takes long for a copy of the store, is left alone', TIME, async () => {
  const page = await site.page();
  const found = await page.evaluate(async () => {
    const db = await silt_('long', { answerTimeoutMs: 1500 }, 'exportMs=3000');
    await db.set('a', 1);
    await new Promise((resolve) => setTimeout(resolve, 2000));
    const { size } = await db.exportFile();
    return [size > 100, await db.get('a'), workers.length];
  });
  assert.deepEqual(found, [true, 1, 1]);
  await page.close();
});
