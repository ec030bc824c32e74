// The browser gives no more space, or keeps nothing: nothing acknowledged is lost.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newPage, scratch, served, start } from './harness.mjs';

const site = served();

const TIME = { timeout: 60_000 };

for (const backend of ['opfs', 'idb']) {
  test(`${backend}: at the quota a write fails by name, and works once space is freed`, TIME,
    async () => {
      const chrome = await start(scratch());
      const page = await newPage(chrome.context, site.url);
      const cdp = await chrome.context.newCDPSession(page);
      const origin = new URL(site.url).origin;
      await cdp.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 48_000_000 });
      const found = await page.evaluate(async (backend) => {
        const options = { backend, segmentBytes: 2 << 20, autoCompact: false };
        const noise = (length) => {
          const codes = crypto.getRandomValues(new Uint8Array(50_000)).map((code) => code & 127);
          return String.fromCharCode(...codes).repeat(Math.ceil(length / 50_000)).slice(0, length);
        };
        const ballast = await open_('ballast', options);
        for (let i = 0; i < 30; i += 1) await ballast.set(`${i}`, noise(400_000), 'synced');
        await ballast.close();
        let s = await open_('full', options);
        const kept = new Map();
        let failure;
        for (let i = 0; i < 400 && !failure; i += 1) {
          const value = noise(200_000);
          failure = (await told(() => s.set(`${i}`, value, 'synced'))).code;
          if (!failure) kept.set(`${i}`, value);
        }
        const lost = async () => {
          let lost = 0;
          for (const [key, value] of kept) lost += (await s.get(key)) !== value;
          return lost;
        };
        const found = { failure, kept: kept.size, lost: [await lost()] };
        found.next = (await told(() => s.set('more', 'x'))).code;
        found.closing = (await told(() => s.close())).code;
        await destroy_('ballast');
        s = await open_('full', options);
        found.lost.push(await lost());
        found.more = (await s.set('more', noise(100_000), 'synced')).durability;
        await s.close();
        s = await open_('full', options);
        found.lost.push(await lost());
        found.count = await s.count();
        return found;
      }, backend);
      assert.equal(found.failure, 'SILT_OUT_OF_SPACE', JSON.stringify(found));
      assert.ok(found.kept > 20, `${found.kept} kept`);
      assert.deepEqual(found.lost, [0, 0, 0]);
      assert.ok(['SILT_OUT_OF_SPACE', 'SILT_POISONED'].includes(found.next), found.next);
      assert.equal(found.more, 'synced');
      // The write that failed may be there or not.
      assert.ok([found.kept + 1, found.kept + 2].includes(found.count), `${found.count}`);
      await chrome.close();
    });
}

test('a private window keeps a store as long as it is open, in either home', TIME, async () => {
  const chrome = await start(scratch());
  for (const backend of ['opfs', 'idb']) {
    const context = await chrome.browser.newContext();
    const pages = [await newPage(context, site.url), await newPage(context, site.url)];
    for (const page of pages) {
      await page.evaluate((backend) => open_('private', { backend }).then(() => {}), backend);
    }
    const [one, two] = pages;
    await one.evaluate(async () => {
      const entries = Array.from({ length: 500 }, (_, i) => [`${i}`, 'x'.repeat(200)]);
      await stores.private.setMany(entries, 'synced');
    });
    assert.equal(await two.evaluate(() => stores.private.count()), 500);
    await one.close();
    const found = await two.evaluate(async (backend) => {
      await stores.private.set('more', 'y', 'synced');
      await stores.private.close();
      const s = await open_('private', { backend });
      return [await s.count(), (await s.info()).backend];
    }, backend);
    assert.deepEqual(found, [501, backend]);
    await context.close();
    const next = await chrome.browser.newContext();
    const page = await newPage(next, site.url);
    assert.deepEqual(await page.evaluate(() => list_()), []);
    await next.close();
  }
  await chrome.close();
});

test('in a private window a write beyond its space fails by name', TIME, async () => {
  const chrome = await start(scratch());
  const context = await chrome.browser.newContext();
  const page = await newPage(context, site.url);
  const cdp = await context.newCDPSession(page);
  const origin = new URL(site.url).origin;
  await cdp.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 2_000_000 });
  const found = await page.evaluate(async () => {
    const s = await open_('narrow', { segmentBytes: 256 * 1024 });
    let failure;
    let kept = 0;
    while (!failure && kept < 400) {
      failure = (await told(() => s.set(`${kept}`, 'x'.repeat(20_000), 'synced'))).code;
      if (!failure) kept += 1;
    }
    const lengths = [];
    for (let i = 0; i < kept; i += 1) lengths.push((await s.get(`${i}`))?.length);
    return { failure, kept, lengths: [...new Set(lengths)] };
  });
  assert.equal(found.failure, 'SILT_OUT_OF_SPACE', JSON.stringify(found));
  assert.deepEqual(found.lengths, [20_000]);
  await chrome.close();
});
