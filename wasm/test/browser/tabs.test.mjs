// Several tabs on one store: one leads, all read and write, and the death of any loses nothing.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inChromium } from './harness.mjs';

const site = inChromium();

const tab = () => site.page();
const roleIn = (page, name) => {
  return page.evaluate(async (name) => (await stores[name].info()).role, name);
};

async function until(what, check, ms = 30_000) {
  for (const end = Date.now() + ms; ; ) {
    if (await check()) return;
    assert.ok(Date.now() < end, `waited too long for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

for (const backend of ['opfs', 'idb']) {
  test(`${backend}: one leads, the other follows; both read, write and hear of it`, async () => {
    const [one, two] = [await tab(), await tab()];
    const name = `pair-${backend}`;
    const open = (page) => page.evaluate(
      async ([name, backend]) => void (await open_(name, { backend })), [name, backend],
    );
    await open(one);
    await open(two);
    assert.equal(await roleIn(one, name), 'leader');
    assert.equal(await roleIn(two, name), 'follower');
    const seqs = [];
    for (const [page, key] of [[one, 'a'], [two, 'b']]) {
      const { seq } = await page.evaluate(([name, key]) => stores[name].set(key, key), [name, key]);
      seqs.push(seq);
    }
    for (const page of [one, two]) {
      assert.deepEqual(await page.evaluate((name) => stores[name].all(), name), [
        ['a', 'a'], ['b', 'b'],
      ]);
      await until('the change', () => page.evaluate(([name, seq]) => {
        return stores[name].events.some((e) => e.type === 'change' && e.seq >= seq);
      }, [name, seqs[1]]));
    }
    await one.evaluate((name) => stores[name].close(), name);
    await until('the follower to lead', async () => (await roleIn(two, name)) === 'leader');
    assert.equal(await two.evaluate((name) => stores[name].get('a'), name), 'a');
    await one.close();
    await two.close();
  });
}

/** Every tab adds to one counter; `kill` is called meanwhile; all that was acknowledged counts. */
async function count(name, backend, pages, perTab, kill) {
  for (const page of pages) {
    await page.evaluate(
      async ([name, backend]) => void (await open_(name, { backend })), [name, backend],
    );
  }
  const runs = pages.map((page) => page.evaluate(async ([name, perTab]) => {
    globalThis.done = 0;
    const lanes = [0, 1, 2].map(async () => {
      for (let i = 0; i < perTab; i += 1) {
        await stores[name].increment('counter');
        globalThis.done += 1;
      }
    });
    await Promise.all(lanes);
    return globalThis.done;
  }, [name, perTab]).catch((e) => {
    if (!page.isClosed()) throw e;
    return 0;
  }));
  await kill();
  return (await Promise.all(runs)).reduce((sum, done) => sum + done, 0);
}

const doneIn = (page) => page.evaluate(() => globalThis.done ?? 0);

for (const backend of ['opfs', 'idb']) {
  test(`${backend}: the leader's worker is killed 4 times; the counter stays exact`, async () => {
    const pages = [await tab(), await tab(), await tab()];
    const name = `counter-${backend}`;
    const total = await count(name, backend, pages, 60, async () => {
      for (let round = 0; round < 4; round += 1) {
        await new Promise((resolve) => setTimeout(resolve, 100 + 37 * round));
        const kill = (page) => page.evaluate((name) => {
          // A worker that has not said what it is may not have begun.
          const events = stores[name].events.slice(globalThis.killedAt ?? 0);
          const roles = events.filter(({ type }) => type === 'role');
          if (roles.at(-1)?.role !== 'leader') return false;
          // One that dies again and again without an answer between is given up.
          if (globalThis.done === globalThis.doneThen) return false;
          globalThis.doneThen = globalThis.done;
          workers.at(-1).terminate();
          globalThis.killedAt = stores[name].events.length;
          return true;
        }, name);
        await until('a leader to kill', async () => {
          for (const page of pages) if (await kill(page)) return true;
          return (await Promise.all(pages.map(doneIn))).every((done) => done === 180);
        }, 60_000);
      }
    });
    assert.equal(total, 3 * 3 * 60);
    const value = await pages[0].evaluate((name) => stores[name].get('counter'), name);
    assert.equal(Number(value), total);
    for (const page of pages) await page.close();
  });
}

for (const backend of ['opfs', 'idb']) {
  test(`${backend}: a leader dies between a write and its answer: not done twice`, async () => {
    const [one, two] = [await tab(), await tab()];
    const name = `mute-${backend}`;
    await one.evaluate(async ([name, backend]) => {
      await open_(name, { backend }, 'muteAt=9');
    }, [name, backend]);
    await two.evaluate(async ([name, backend]) => {
      await open_(name, { backend });
    }, [name, backend]);
    const [ones, twos] = [one, two].map((page, i) => page.evaluate(async ([name, i]) => {
      const key = `counter ${i}`;
      for (let n = 0; n < 3; n += 1) {
        await stores[name].set(`${key} ${n}`, 'once', undefined, null);
      }
      return true;
    }, [name, i]));
    await Promise.all([ones, twos]);
    // Six replies went out. Now three at once to the follower; the last of them stays unsent.
    const last = two.evaluate(async (name) => {
      const set = (n) => stores[name].set(`late ${n}`, 'x', undefined, null);
      const writes = [7, 8, 9].map((n) => told(() => set(n)));
      return (await Promise.all(writes)).map(({ value, code }) => code ?? value.durability);
    }, name);
    await one.evaluate(() => keptReply(9));
    await one.evaluate(() => workers.at(-1).terminate());
    // Done twice, the last would find its key and fail; the answer also says that it is synced.
    assert.deepEqual(await last, ['flushed', 'flushed', 'synced']);
    assert.equal((await two.evaluate((name) => stores[name].all(), name)).length, 9);
    await one.close();
    await two.close();
  });
}

test('opfs: a long request, half done when its leader dies, is done to its end', async () => {
  const [one, two] = [await tab(), await tab()];
  const options = { segmentBytes: 64 * 1024, autoCompact: false };
  // The leader stops in the middle of its sixth publishing.
  await one.evaluate((options) => void open_('half', options, 'stopAt=6'), options);
  await until('the leader', () => one.evaluate(() => !!stores.half));
  await two.evaluate((options) => silt_('half', options).then(() => {}), options);
  const all = two.evaluate(async () => {
    const { half } = silts;
    const set = (i) => half.set(`key ${i}`, 'x'.repeat(5000), { ifAbsent: true });
    // Calls of one turn: one request, which takes many files.
    const sets = Array.from({ length: 200 }, (_, i) => told(() => set(i)));
    const codes = (await Promise.all(sets)).map(({ code }) => code);
    return [codes.filter(Boolean), await half.count()];
  });
  await new Promise((resolve) => setTimeout(resolve, 700));
  await one.evaluate(() => workers.at(-1).terminate());
  assert.deepEqual(await all, [[], 200]);
  await one.close();
  await two.close();
});

for (const backend of ['opfs', 'idb']) {
  test(`${backend}: what was read before a write is read so again when the leader dies`, async () => {
    const page = await tab();
    const found = await page.evaluate(async (backend) => {
      const db = await silt_(`again-${backend}`, { backend }, 'dropFrom=2');
      await db.set('k', 1);
      // Three reads before the write, two of them in its message; one after it.
      const reads = [db.get('k')];
      await Promise.resolve().then(() => {});
      reads.push(db.get('k'), db.entries().all().then((all) => all[0][1]));
      const write = db.set('k', 2);
      const snapshot = db.snapshot();
      await new Promise((resolve) => setTimeout(resolve, 300));
      const last = db.get('k');
      db.set('k', 3).catch(() => {});
      await new Promise((resolve) => setTimeout(resolve, 300));
      workers.at(-1).terminate();
      await write;
      const values = await Promise.all([...reads, (await snapshot).get('k'), last, db.get('k')]);
      return [...values, (await db.history('k')).length];
    }, backend);
    assert.deepEqual(found, [1, 1, 1, 2, 2, 3, 3]);
    await page.close();
  });
}

for (const backend of ['opfs', 'idb']) {
  test(`${backend}: writes that need no note each are done once when the leader dies`, async () => {
    const page = await tab();
    const found = await page.evaluate(async (backend) => {
      const db = await silt_(`once-${backend}`, { backend }, 'dropFrom=4');
      await db.set('k', 0);
      await db.set('same', 'x');
      await db.set('same', 'x');
      const writes = [];
      const write = (...a) => writes.push(told(() => db.set(...a)));
      // Done, and not answered: one a message, two in one, and what fails among them.
      for (const i of [1, 2]) {
        write('k', i);
        await keptReply(3 + i);
      }
      write('k', 3);
      write('same', 'x');
      await keptReply(6);
      write('k', 'never', { ifAbsent: true });
      await keptReply(7);
      write('k', 4);
      await keptReply(8);
      workers.at(-1).terminate();
      write('k', 5);
      const codes = (await Promise.all(writes)).map(({ value, code }) => code ?? value.durability);
      const history = async (key) => (await db.history(key)).map(({ value }) => value);
      return [codes, await history('k'), await history('same')];
    }, backend);
    const failed = 'SILT_CONDITION_FAILED';
    assert.deepEqual(found, [
      ['synced', 'synced', 'synced', 'synced', failed, 'synced', 'flushed'],
      [5, 4, 3, 2, 1, 0], ['x', 'x', 'x'],
    ]);
    await page.close();
  });
}

test('the tab of the leader is closed while all write: nothing acknowledged is lost', async () => {
  const pages = [await tab(), await tab(), await tab()];
  // So many that the leader's tab is closed long before it has done its own.
  const each = 400;
  let done = 0;
  const rest = await count('closed', 'auto', pages, each, async () => {
    await until('some writes', async () => (await doneIn(pages[0])) > 10);
    assert.equal(await roleIn(pages[0], 'closed'), 'leader');
    done = await doneIn(pages[0]);
    await pages[0].close();
  });
  assert.equal(rest, 2 * 3 * each);
  const value = Number(await pages[1].evaluate(() => stores.closed.get('counter')));
  // What the closed tab had asked for and was not told of may be there or not.
  assert.ok(value >= rest + done, `${value} of ${rest} + ${done}`);
  assert.ok(value <= rest + 3 * each, `${value}`);
  await pages[1].close();
  await pages[2].close();
});

test('a page that is put away gives the store up, and asks for it when it comes back', async () => {
  const [one, two] = [await tab(), await tab()];
  for (const page of [one, two]) await page.evaluate(async () => void (await open_('frozen')));
  await one.evaluate(() => stores.frozen.set('a', '1'));
  const turn = (type) => one.evaluate((type) => {
    dispatchEvent(new PageTransitionEvent(type, { persisted: true }));
  }, type);
  await turn('pagehide');
  await until('the other to lead', async () => (await roleIn(two, 'frozen')) === 'leader');
  await two.evaluate(() => stores.frozen.set('a', '2'));
  await turn('pageshow');
  assert.equal(await one.evaluate(() => stores.frozen.get('a')), '2');
  assert.equal(await roleIn(one, 'frozen'), 'follower');
  await turn('pagehide');
  const waiting = one.evaluate(() => stores.frozen.get('a'));
  await two.evaluate(() => stores.frozen.set('a', '3'));
  await turn('pageshow');
  assert.equal(await waiting, '3');
  // Alone, it leads again.
  await two.close();
  await until('to lead again', async () => (await roleIn(one, 'frozen')) === 'leader');
  await turn('pagehide');
  await turn('pageshow');
  assert.equal(await one.evaluate(() => stores.frozen.get('a')), '3');
  await one.close();
});
