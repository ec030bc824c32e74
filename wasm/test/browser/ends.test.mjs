// What ends in the middle of something: a leader, an engine in a page, a store with a listener.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inChromium } from './harness.mjs';

const site = inChromium();

const TIME = { timeout: 60_000 };

/** Runs in a page of its own; what takes too long is told as such. */
async function outcome(run, argument) {
  const page = await site.page();
  await page.evaluate(() => {
    globalThis.soon = (promise) => Promise.race([promise, new Promise((resolve) => {
      setTimeout(() => resolve('never'), 8000);
    })]);
    globalThis.pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
    globalThis.turn = (type) => dispatchEvent(new PageTransitionEvent(type, { persisted: true }));
    globalThis.heldLocks = async () => {
      const { held } = await navigator.locks.query();
      return held.map(({ name }) => name.split(':').slice(0, 2).join(':')).sort();
    };
    /** The engine's clock, broken for so many of its next looks. */
    const { now } = Date;
    globalThis.broken = 0;
    Date.now = () => {
      if (globalThis.broken === 0) return now();
      globalThis.broken -= 1;
      throw new Error('the clock is broken');
    };
  });
  const found = await page.evaluate(run, argument);
  await page.close();
  return found;
}

test('a tab that closes while its leader dies answers what it was asked', TIME, async () => {
  const found = await outcome(async () => {
    await open_('closing', {}, 'muteAt=1', 'one');
    await open_('closing', {}, '', 'two');
    const write = told(() => stores.two.set('k', 'v'));
    await keptReply(1);
    const closing = stores.two.close();
    await pause(50);
    workers[0].terminate();
    return [
      await soon(write.then(({ code, value }) => code ?? value.durability)),
      await soon(closing.then(() => 'closed')), await soon(stores.one.get('k')),
    ];
  });
  assert.deepEqual(found, ['synced', 'closed', 'v']);
});

for (const backend of ['opfs', 'idb']) {
  test(`${backend}: an exclusive store does nothing twice when its worker dies`, TIME, async () => {
    const found = await outcome(async (backend) => {
      const s = await open_(`own-${backend}`, { backend, multiTab: 'exclusive' }, 'muteAt=2');
      await s.set('a', '1');
      const write = told(() => s.set('b', '2', undefined, null));
      await keptReply(2);
      workers.at(-1).terminate();
      const { code, value } = await write;
      return [code ?? value.durability, await s.count()];
    }, backend);
    assert.deepEqual(found, ['synced', 2]);
  });
}

test('what comes to a new leader before its follower knows of it is done once', TIME, async () => {
  const found = await outcome(async () => {
    await open_('early', {}, '', 'one');
    await open_('early', {}, 'late=300', 'two');
    const db = await silt_('early');
    await db.set('k', 0);
    workers[0].terminate();
    while (stores.two.events.at(-1)?.role !== 'leader') await pause(5);
    await pause(100);
    const writes = [];
    for (let i = 1; i < 10; i += 1) {
      writes.push(db.set('k', i));
      await pause(10);
    }
    await Promise.all(writes);
    await pause(1500);
    return (await db.history('k')).map(({ value }) => value);
  });
  assert.deepEqual(found, [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]);
});

test('an engine in a page that stops leaves the store to the others', TIME, async () => {
  const found = await outcome(async () => {
    await open_('dead', { worker: { serve }, backend: 'idb' }, '', 'one');
    for (const as of ['two', 'three', 'four']) await open_('dead', { backend: 'idb' }, '', as);
    for (const as of ['one', 'two', 'three', 'four']) await stores[as].set('k', as);
    broken = 1;
    const codes = [];
    const set = async (as, i) => {
      const { code, value } = await soon(told(() => stores[as].set(`${as} ${i}`, 'x')));
      codes.push(code ?? (value ? 'ok' : 'never'));
    };
    await set('one', 0);
    for (let i = 1; i < 5; i += 1) {
      await pause(50);
      for (const as of ['two', 'three', 'four', 'one']) await set(as, i);
    }
    const count = await stores.two.count();
    for (const as of ['one', 'two', 'three', 'four']) await soon(stores[as].close());
    const { code } = await told(() => destroy_('dead'));
    return [codes.filter((code) => code !== 'ok'), count, code, await heldLocks()];
  });
  assert.deepEqual(found, [[], 18, undefined, []]);
});

test('an engine in a page that stopped keeps nothing open', TIME, async () => {
  const found = await outcome(async () => {
    const s = await open_('alone', { worker: { serve }, backend: 'idb' });
    await s.set('a', '1');
    broken = 1;
    await s.set('b', '1');
    await s.close();
    const { code } = await told(() => destroy_('alone'));
    return [code, await heldLocks()];
  });
  assert.deepEqual(found, [undefined, []]);
});

test('a listener that throws holds up neither other listeners nor the closing', TIME, async () => {
  const found = await outcome(async () => {
    const db = await silt_('thrower');
    const heard = [];
    let opened = false;
    db.onEvent(() => {
      if (opened) throw new Error('a listener of the program');
    });
    opened = true;
    db.onEvent(({ type }) => heard.push(type));
    await db.set('a', 1);
    return [await soon(db.close().then(() => 'closed')), heard.at(-1)];
  });
  assert.deepEqual(found, ['closed', 'closed']);
});

test('a listener that throws does not end an engine in the page', TIME, async () => {
  const found = await outcome(async () => {
    const db = await silt_('inside', { worker: { serve }, backend: 'idb' });
    let opened = false;
    db.onEvent(() => {
      if (opened) throw new Error('a listener of the program');
    });
    opened = true;
    await db.set('a', 1);
    turn('pagehide');
    await pause(100);
    turn('pageshow');
    return [(await soon(told(() => db.get('a')))), await soon(db.close().then(() => 'closed'))];
  });
  assert.deepEqual(found, [{ value: 1 }, 'closed']);
});

test('a tab put away while its next worker is due starts one, not two', TIME, async () => {
  const found = await outcome(async () => {
    let started = 0;
    const worker = () => {
      started += 1;
      const last = new Worker(started === 2 ? '/none.js' : '/worker.js', { type: 'module' });
      if (started === 2) last.addEventListener('error', () => setTimeout(() => {
        turn('pagehide');
        turn('pageshow');
      }));
      workers.push(last);
      return last;
    };
    const s = await open_('twice', { worker });
    workers[0].terminate();
    await s.set('a', '1');
    await pause(1000);
    await s.close();
    await pause(200);
    return [started, await heldLocks()];
  });
  assert.deepEqual(found, [3, []]);
});

test('a page put away while its next engine is due starts it on its return', TIME, async () => {
  const found = await outcome(async () => {
    let started = 0;
    const worker = { serve: () => (started += 1, serve()) };
    const s = await open_('paused', { worker, backend: 'idb' });
    s.channel.onEvent(({ type }) => {
      if (type !== 'role' || started !== 2) return;
      broken = 1;
      setTimeout(() => turn('pagehide'), 100);
      setTimeout(() => turn('pageshow'), 600);
    });
    broken = 1;
    const { code, value } = await soon(told(() => s.set('a', '1')));
    return [code ?? value?.durability, started, broken];
  });
  assert.deepEqual(found, ['flushed', 3, 0]);
});

test('an engine in a page that cannot open its store holds no lock', TIME, async () => {
  const found = await outcome(async () => {
    const { code } = await told(() => open_('nofiles', { worker: { serve }, backend: 'opfs' }));
    await pause(100);
    return [code, await heldLocks()];
  });
  assert.deepEqual(found, ['SILT_NOT_SUPPORTED', []]);
});

test('a watcher ends when its store is closed while there is news', TIME, async () => {
  const found = await outcome(async () => {
    const db = await silt_('watched');
    const seen = [];
    const watching = (async () => {
      for await (const { key } of db.watch()) {
        seen.push(key);
        if (seen.length > 1) continue;
        await db.set('b', 1);
        await pause(100);
        void db.close();
      }
      return 'over';
    })();
    await db.set('a', 1);
    return [seen, await soon(told(() => watching))];
  });
  assert.deepEqual(found, [['a'], { value: 'over' }]);
});

test('a watcher of a store that is lost is told why', TIME, async () => {
  const found = await outcome(async () => {
    let started = 0;
    const worker = () => {
      started += 1;
      const last = new Worker(started > 1 ? '/none.js' : '/worker.js', { type: 'module' });
      workers.push(last);
      return last;
    };
    const db = await silt_('lost', { worker });
    const next = told(() => db.watch().next());
    // It has nothing to read any more, and waits for news.
    await pause(200);
    workers.at(-1).terminate();
    return soon(next.then(({ code }) => code));
  });
  assert.equal(found, 'SILT_CRASHED');
});

test('who reads changes without waiting for more has all of them, or is told', TIME, async () => {
  const found = await outcome(async () => {
    const db = await silt_('unread');
    const of = (i) => Array.from({ length: 100 }, (_, k) => (
      { type: 'set', key: `${i} ${k}`, value: 0 }));
    for (let i = 0; i < 60; i += 1) await db.batch(of(i));
    let seen = 0;
    const reading = told(async () => {
      for await (const _ of db.watch({ since: 0, live: false })) {
        seen += 1;
        if (seen === 1) await db.close();
      }
    });
    return [(await soon(reading)).code, seen < 6000];
  });
  assert.deepEqual(found, ['SILT_CLOSED', true]);
});

test('idb: of a transaction that cannot be put together nothing is done', TIME, async () => {
  const found = await outcome(async () => {
    const { put } = IDBObjectStore.prototype;
    let failing = false;
    let failed = 0;
    IDBObjectStore.prototype.put = function (value, key) {
      if (failing && value.byteLength > 5000) {
        failed += 1;
        throw new DOMException('no memory', 'DataCloneError');
      }
      return put.call(this, value, key);
    };
    const options = { worker: { serve }, backend: 'idb', autoCompact: false };
    const s = await open_('partly', options);
    failing = true;
    let kept = 0;
    let code;
    for (; kept < 200 && !code; kept += 1) {
      ({ code } = await told(() => s.set(`${kept}`, 'x'.repeat(100), 'synced')));
    }
    kept -= 1;
    failing = false;
    await told(() => s.close());
    const again = await told(() => open_('partly', options));
    return { kept, failed, count: again.code ?? await again.value.count() };
  });
  assert.ok(found.failed > 0);
  assert.ok(found.kept > 10);
  assert.equal(found.count, found.kept);
});

test('a large value whose worker dies is sent again, whole, and set once', TIME, async () => {
  const found = await outcome(async () => {
    const db = await silt_('large', {}, 'muteAt=2');
    const value = (char) => char.repeat(200 << 10);
    await db.set('k', value('a'));
    const write = db.set('k', value('b'));
    await keptReply(2);
    workers.at(-1).terminate();
    const { durability } = await soon(write);
    const history = await soon(db.history('k'));
    const seen = Array.from(history, ({ value }) => [value.length, ...new Set(value)]);
    return [durability, seen];
  });
  assert.deepEqual(found, ['synced', [[200 << 10, 'b'], [200 << 10, 'a']]]);
});

test('a store in memory is kept when its page is put away', TIME, async () => {
  const found = await outcome(async () => {
    const found = [];
    const inPage = { worker: { serve } };
    const asked = { backend: 'memory' };
    // Where it is in memory for want of a home, too.
    const fallen = [{ fallback: 'memory' }, { ...inPage, backend: 'opfs', fallback: 'memory' }];
    for (const options of [asked, { ...asked, ...inPage }, ...fallen]) {
      const s = await open_('memory', options, 'without=opfs,idb');
      await s.set('a', '1');
      turn('pagehide');
      await pause(50);
      turn('pageshow');
      found.push((await s.info()).backend, await s.get('a'));
      await s.close();
    }
    return found;
  });
  assert.deepEqual(found, Array.from({ length: 4 }, () => ['memory', '1']).flat());
});

test('a store that a worker has for itself is locked for a tab, and free after', TIME, async () => {
  const found = await outcome(async () => {
    const worker = new Worker('/sync.js', { type: 'module', name: 'taken' });
    await new Promise((resolve) => (worker.onmessage = resolve));
    const found = [];
    for (const multiTab of ['exclusive', 'auto']) {
      found.push((await soon(told(() => open_('taken', { multiTab })))).code);
    }
    worker.postMessage('close');
    for (;;) {
      const { value, code } = await soon(told(() => open_('taken')));
      if (code === 'SILT_LOCKED') continue;
      found.push(code, await value.count());
      return found;
    }
  });
  assert.deepEqual(found, ['SILT_LOCKED', 'SILT_LOCKED', undefined, 0]);
});

test('a store that was closed is free for others at once', TIME, async () => {
  const found = await outcome(async () => {
    const codes = [];
    for (let i = 0; i < 40; i += 1) {
      const options = { backend: i % 2 ? 'opfs' : 'idb' };
      const names = ['one', 'two', 'three'];
      for (const as of names) await open_('freed', options, '', as);
      for (const as of names) await stores[as].close();
      const { code } = await told(() => destroy_('freed'));
      const held = await heldLocks();
      codes.push(code, ...held.filter((name) => name === 'siltdb:freed'));
    }
    return codes.filter((code) => code !== undefined);
  });
  assert.deepEqual(found, []);
});

test('a store that could not be opened is free for others at once', TIME, async () => {
  const found = await outcome(async () => {
    const codes = [];
    const first = await silt_('refused');
    const restore = await first.exportFile();
    await first.close();
    for (let i = 0; i < 20; i += 1) {
      await (await silt_('refused')).close();
      codes.push((await told(() => silt_('refused', { restore }))).code);
      codes.push((await told(() => destroy_('refused'))).code);
    }
    return [...new Set(codes)];
  });
  assert.deepEqual(found, ['SILT_NOT_EMPTY', undefined]);
});
