// The same store in Firefox and WebKit: kept over a reload, in OPFS and in IndexedDB, and shared by
// tabs. Debian's WebKit has no OPFS. Pages are isolated.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { served, startFirefox, startWebKit } from './harness.mjs';

const site = served(true);
let driver;

/** Runs a function in the page and gives what it resolves to. */
async function evaluate(run, ...args) {
  const { value, error } = await driver.executeAsyncScript(`
    const done = arguments[arguments.length - 1];
    (${run})(...Array.from(arguments).slice(0, -1)).then(
      (value) => done({ value }), (e) => done({ error: e.code + ': ' + e.message }));
  `, ...args);
  if (error) throw new Error(error);
  return value;
}

async function load() {
  await driver.get(site.url);
  await driver.wait(() => driver.executeScript("return 'open_' in globalThis"), 10_000);
}

function storesOf(backends) {
  for (const [backend, faults] of backends) {
    test(`${backend}: what is written is read after a reload`, async () => {
      await load();
      const written = await evaluate(async (name, faults) => {
        const s = await open_(name, {}, faults);
        const { durability } = await s.set('one', '1', 'synced');
        await s.setMany(Array.from({ length: 500 }, (_, i) => [`key ${i}`, 'v'.repeat(i)]));
        const { backend } = await s.info();
        return { backend, durability, told: s.events.some(({ type }) => type === 'fallback') };
      }, `reload-${backend}`, faults);
      assert.deepEqual(written, { backend, durability: 'synced', told: backend === 'idb' });
      await load();
      const read = await evaluate(async (name, faults) => {
        const s = await open_(name, {}, faults);
        return [await s.get('one'), await s.count(), (await s.get('key 499')).length];
      }, `reload-${backend}`, faults);
      assert.deepEqual(read, ['1', 501, 499]);
    });

    test(`${backend}: values are read one after the other without messages`, async () => {
      await load();
      const enough = await evaluate(async (name, faults) => {
        const db = await silt_(name, {}, faults);
        await db.set('k', 1);
        let sent = 0;
        const { postMessage } = Worker.prototype;
        Worker.prototype.postMessage = function (...args) {
          sent += 1;
          return postMessage.apply(this, args);
        };
        let done = 0;
        for (const end = performance.now() + 20_000; performance.now() < end; ) {
          if ((await db.get('k')) !== 1) return 'another value';
          if ((done += 1) > sent + 2) return true;
        }
        return `${sent} of ${done} by message`;
      }, `line-${backend}`, faults);
      assert.equal(enough, true);
    });

    test(`${backend}: the client reads the past, its file, and what it watched`, async () => {
      await load();
      const seen = await evaluate(async (name, faults) => {
        const db = await silt_(name, { retention: 'forever' }, faults);
        const watched = (async () => {
          for await (const change of db.watch({ since: 0 })) return [change.key, change.value];
        })();
        const { seq } = await db.set('b', 'old');
        await db.batch().set('a', [1]).set('b', { new: true }, { ifSeq: seq }).commit();
        const refused = await told(() => db.set('b', 0, { ifAbsent: true }));
        const file = await db.exportFile();
        const copy = await silt_(`${name} copy`, { restore: file }, faults);
        return {
          refused: refused.code, watched: await watched, old: await db.get('b', { at: seq }),
          copied: await copy.entries({ reverse: true }).all(), role: copy.info.role,
        };
      }, `client-${backend}`, faults);
      assert.deepEqual(seen, {
        refused: 'SILT_CONDITION_FAILED', watched: ['b', 'old'], old: 'old',
        copied: [['b', { new: true }], ['a', [1]]], role: 'leader',
      });
    });

    test(`${backend}: two tabs add to a counter while the leader's worker is killed`, async () => {
      await load();
      const first = await driver.getWindowHandle();
      const open = (name, faults) => evaluate(async (name, faults) => {
        const s = await open_(name, {}, faults);
        // On an object of the page: globals of a script are forgotten when the tab changes.
        s.lane = (async () => {
          for (let i = 0; i < 100; i += 1) await s.increment('counter');
        })();
        return (await s.info()).role;
      }, name, faults);
      assert.equal(await open(`count-${backend}`, faults), 'leader');
      await driver.switchTo().newWindow('tab');
      await load();
      assert.equal(await open(`count-${backend}`, faults), 'follower');
      const second = await driver.getWindowHandle();
      await driver.switchTo().window(first);
      await evaluate(async () => workers.at(-1).terminate());
      const counted = (name) => evaluate(async (name) => {
        await stores[name].lane;
        return stores[name].get('counter');
      }, name);
      await counted(`count-${backend}`);
      await driver.switchTo().window(second);
      assert.equal(await counted(`count-${backend}`), '200');
      await driver.close();
      await driver.switchTo().window(first);
    });
  }
}

for (const [browser, start, backends] of [
  ['Firefox', startFirefox, [['opfs', ''], ['idb', 'without=opfs']]],
  ['WebKit', startWebKit, [['idb', '']]],
]) {
  describe(browser, () => {
    before(async () => (driver = await start()));
    after(() => driver?.quit());
    storesOf(backends);
  });
}
