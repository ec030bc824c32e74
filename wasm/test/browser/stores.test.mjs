// One tab: what is written is there after a reload, whatever it is kept in.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inChromium, newPage } from './harness.mjs';

const site = inChromium();

for (const backend of ['opfs', 'idb']) {
  test(`${backend}: what is written is read after a reload`, async () => {
    const page = await site.page();
    const name = `reload-${backend}`;
    const written = await page.evaluate(async ([name, backend]) => {
      const s = await open_(name, { backend });
      const one = await s.set('one', '1');
      const two = await s.set('two', '2', 'synced');
      await s.setMany(Array.from({ length: 2000 }, (_, i) => [`key ${i}`, 'v'.repeat(i)]));
      return { info: await s.info(), one, two };
    }, [name, backend]);
    assert.deepEqual(written.info, { backend, role: 'leader', persistent: true });
    assert.equal(written.one.durability, 'flushed');
    assert.equal(written.two.durability, 'synced');
    await page.reload();
    await page.waitForFunction(() => 'open_' in globalThis);
    const read = await page.evaluate(async ([name, backend]) => {
      const s = await open_(name, { backend });
      const read = [await s.get('one'), await s.get('two'), await s.get('none'), await s.count()];
      read.push((await s.get('key 1999')).length);
      await s.close();
      return read;
    }, [name, backend]);
    assert.deepEqual(read, ['1', '2', undefined, 2002, 1999]);
    await page.close();
  });
}

test('opfs: a closed store has the files of the store only, and rolls through many', async () => {
  const page = await site.page();
  const { names, count, segments } = await page.evaluate(async () => {
    const s = await open_('roll', { segmentBytes: 64 * 1024, autoCompact: false });
    for (let i = 0; i < 40; i += 1) {
      await s.setMany(Array.from({ length: 20 }, (_, k) => [`${i} ${k}`, 'x'.repeat(2000)]));
    }
    await s.close();
    const again = await open_('roll');
    const count = await again.count();
    await again.close();
    const names = Object.entries(await files('roll'));
    return { count, names, segments: names.filter(([name]) => /segment/.test(name)).length };
  });
  assert.equal(count, 800);
  assert.ok(segments >= 20, `${segments} segments`);
  for (const [name, text] of names) {
    assert.match(name, /^(\d{16}\.(segment|manifest)|publish\.journal)$/);
    assert.ok(text.length > 0, `${name} is empty`);
  }
  assert.equal(names.filter(([name]) => /manifest/.test(name)).length, 1);
  await page.close();
});

test('memory is used when it is asked for, and keeps nothing', async () => {
  const page = await site.page();
  const found = await page.evaluate(async () => {
    const s = await open_('memory', { backend: 'memory' });
    await s.set('a', 'b');
    const { backend, persistent } = await s.info();
    const value = await s.get('a');
    await s.close();
    const again = await open_('memory', { backend: 'memory' });
    return [backend, persistent, value, await again.get('a')];
  });
  assert.deepEqual(found, ['memory', false, 'b', undefined]);
  await page.close();
});

test('without OPFS the store is in IndexedDB, and says so; an error without both', async () => {
  const page = await site.page();
  const found = await page.evaluate(async () => {
    const s = await open_('fallen', {}, 'without=opfs');
    await s.set('a', 'b');
    const { backend } = await s.info();
    const events = s.events.filter(({ type }) => type === 'fallback');
    await s.close();
    const none = await told(() => open_('fallen', {}, 'without=opfs,idb'));
    const last = await open_('fallen', { fallback: 'memory' }, 'without=opfs,idb');
    const info = await last.info();
    return { backend, events, none, info, last: last.events };
  });
  assert.equal(found.backend, 'idb');
  assert.equal(found.events.length, 1);
  assert.equal(found.events[0].from, 'opfs');
  assert.equal(found.events[0].to, 'idb');
  assert.equal(found.none.code, 'SILT_NOT_SUPPORTED');
  assert.equal(found.info.backend, 'memory');
  assert.equal(found.info.persistent, false);
  const steps = found.last.filter(({ type }) => type === 'fallback').map(({ to }) => to);
  assert.deepEqual(steps, ['idb', 'memory']);
  await page.close();
});

test('without a worker the engine runs in the page, and the store is in IndexedDB', async () => {
  const page = await site.page();
  const found = await page.evaluate(async () => {
    const s = await open_('inside', { worker: { serve } });
    const { durability } = await s.set('a', 'b', 'synced');
    const { backend, role } = await s.info();
    const told = s.events.filter(({ type }) => type === 'fallback').length;
    await s.close();
    const again = await open_('inside', { backend: 'idb' });
    return [durability, backend, role, told, await again.get('a'), (await again.info()).role];
  });
  assert.deepEqual(found, ['synced', 'idb', 'leader', 1, 'b', 'leader']);
  await page.close();
});

test('a private window works and keeps nothing', async () => {
  const context = await site.chrome.browser.newContext();
  const page = await newPage(context, site.url);
  const found = await page.evaluate(async () => {
    const s = await open_('private');
    await s.setMany(Array.from({ length: 500 }, (_, i) => [`${i}`, 'x'.repeat(200)]), 'synced');
    const count = await s.count();
    await s.close();
    const again = await open_('private');
    return [count, await again.count()];
  });
  assert.deepEqual(found, [500, 500]);
  await context.close();
});

test('a second exclusive open is locked, and so is one beside it', async () => {
  const page = await site.page();
  const other = await site.page();
  await page.evaluate(async () => void (await open_('alone', { multiTab: 'exclusive' })));
  for (const multiTab of ['exclusive', 'auto']) {
    const second = await other.evaluate(
      (multiTab) => told(() => open_('alone', { multiTab })), multiTab,
    );
    assert.equal(second.code, 'SILT_LOCKED', multiTab);
  }
  await page.evaluate(() => stores.alone.close());
  const third = await other.evaluate(
    () => told(async () => (await open_('alone', { multiTab: 'exclusive' })).set('a', 'b')),
  );
  assert.equal(third.value.durability, 'flushed');
  await page.close();
  await other.close();
});

test('an open that is refused starts one worker, whatever the page hears of first', async () => {
  const page = await site.page();
  const found = await page.evaluate(async () => {
    await open_('refused');
    const before = workers.length;
    const { code } = await told(() => open_('refused', { multiTab: 'exclusive' }, 'behind=100'));
    // The page would start another one a moment after it hears of an end.
    await new Promise((resolve) => setTimeout(resolve, 300));
    return [code, workers.length - before];
  });
  assert.deepEqual(found, ['SILT_LOCKED', 1]);
  await page.close();
});

test('a lost file is corruption; all files lost is a new store', async () => {
  const page = await site.page();
  const found = await page.evaluate(async () => {
    const lose = async (name, pattern) => {
      const s = await open_(name);
      await s.set('a', 'b');
      await s.close();
      await removeFile(name, pattern);
      return told(async () => (await open_(name)).get('a'));
    };
    const found = {
      segment: await lose('lost1', /segment/),
      manifest: await lose('lost2', /manifest/),
      files: await lose('lost3', /segment|manifest/),
      journal: await lose('lost4', /journal/),
      all: await lose('lost5', /./),
    };
    return found;
  });
  assert.equal(found.segment.code, 'SILT_CORRUPT');
  assert.equal(found.manifest.code, 'SILT_CORRUPT');
  assert.equal(found.files.code, 'SILT_CORRUPT');
  assert.deepEqual(found.journal, { value: 'b' });
  assert.deepEqual(found.all, { value: undefined });
  await page.close();
});

test('siltdb/sync: a worker has a store for itself and is answered at once', async () => {
  const page = await site.page();
  const found = await page.evaluate(() => new Promise((resolve) => {
    new Worker('/sync.js', { type: 'module' }).onmessage = ({ data }) => resolve(data);
  }));
  assert.deepEqual(found, {
    taken: 'SILT_LOCKED', length: 3000, counts: [300, 300], waited: true, texts: true,
  });
  await page.close();
});
