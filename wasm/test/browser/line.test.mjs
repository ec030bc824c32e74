// Pages that are isolated ask their worker by memory that they share with it.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ASKED, FREE, STATE } from '../../build/js/line-memory.js';
import { inChromium } from './harness.mjs';

const site = inChromium(true);

const TIME = { timeout: 60_000 };

/** Runs in a page of its own that counts which requests the worker takes without a message. */
async function outcome(run, argument) {
  const page = await site.page();
  await page.evaluate(([state, free, asked]) => {
    const { store, compareExchange } = Atomics;
    globalThis.taken = 0;
    Atomics.store = (words, at, value) => {
      if (at === state && value === asked) globalThis.taken += 1;
      return store(words, at, value);
    };
    Atomics.compareExchange = (words, at, from, to) => {
      const was = compareExchange(words, at, from, to);
      if (at === state && was === asked && to === free) globalThis.taken -= 1;
      return was;
    };
    /** Does something one after the other, until so many were taken. */
    globalThis.inTurn = async (wanted, run) => {
      const from = globalThis.taken;
      let done = 0;
      for (const end = performance.now() + 20_000; performance.now() < end; ) {
        await run(done);
        done += 1;
        if (globalThis.taken >= from + wanted) return { done, enough: true };
      }
      return { done, enough: false };
    };
  }, [STATE, FREE, ASKED]);
  const found = await page.evaluate(run, argument);
  await page.close();
  return found;
}

test('what is asked one after the other goes without messages, and is done', TIME, async () => {
  const found = await outcome(async () => {
    const db = await silt_('turns');
    const set = await inTurn(20, (i) => db.set(`k${i}`, i));
    let wrong = 0;
    const got = await inTurn(20, async (i) => {
      const key = i % set.done;
      if ((await db.get(`k${key}`)) !== key) wrong += 1;
    });
    const { keys } = await db.stats();
    return { enough: [set.enough, got.enough], wrong, lost: set.done - keys };
  });
  assert.deepEqual(found, { enough: [true, true], wrong: 0, lost: 0 });
});

test('errors, large values and what is asked at once are answered as by message', TIME, async () => {
  const found = await outcome(async () => {
    const db = await silt_('mixed');
    const large = 'x'.repeat(100_000);
    await db.set('n', 0);
    const codes = new Set();
    let wrong = 0;
    const { enough } = await inTurn(20, async (i) => {
      const refused = await told(() => db.set('n', 1, { ifAbsent: true }));
      codes.add(refused.code);
      // What is asked at once is done in the order it is asked, however it travels.
      const [, one] = await Promise.all([db.set('n', i), db.get('n')]);
      const later = db.set('n', -i);
      const two = Promise.resolve().then(() => db.get('n'));
      await later;
      if (one !== i || (await two) !== -i) wrong += 1;
      if (i % 20 === 0) {
        await db.set('large', large + i);
        if ((await db.get('large')) !== large + i) wrong += 1;
      }
    });
    return { enough, codes: [...codes], wrong };
  });
  assert.deepEqual(found, { enough: true, codes: ['SILT_CONDITION_FAILED'], wrong: 0 });
});

test('who awaits one after the other does not hold up the page', TIME, async () => {
  const found = await outcome(async () => {
    const db = await silt_('busy');
    await db.set('k', 1);
    let longest = 0;
    let last = performance.now();
    const timer = setInterval(() => {
      longest = Math.max(longest, performance.now() - last);
      last = performance.now();
    }, 1);
    const end = performance.now() + 2000;
    while (performance.now() < end) await db.get('k');
    clearInterval(timer);
    return Math.max(longest, performance.now() - last);
  });
  assert.ok(found < 1000, `${found} ms`);
});

test('a worker that ends while it is asked without messages loses nothing', TIME, async () => {
  const found = await outcome(async () => {
    const db = await silt_('killed');
    const wrong = [];
    let n = 0;
    for (let kills = 0; kills < 5; kills += 1) {
      const { enough } = await inTurn(5, () => db.set('n', n += 1));
      const ending = db.set('n', n += 1);
      workers.at(-1).terminate();
      await ending;
      if (!enough || (await db.get('n')) !== n) wrong.push(kills);
    }
    const values = (await db.history('n')).map(({ value }) => value);
    // What is answered twice or was lost would show as a step that is none.
    return { wrong, last: values[0] === n, steps: values.every((v, i) => v === n - i) };
  });
  assert.deepEqual(found, { wrong: [], last: true, steps: true });
});
