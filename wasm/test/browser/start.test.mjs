// A worker that does not begin, cannot be loaded, or ends: an error by name, or another worker.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inChromium, newPage } from './harness.mjs';

const site = inChromium();

/** Opens a store in a page of its own: what came of it, and how long that took. */
async function outcome(run, path = '', argument = undefined) {
  const page = await newPage(site.chrome.context, site.url + path);
  const began = Date.now();
  const found = await page.evaluate(run, argument);
  await page.close();
  return { ...found, ms: Date.now() - began };
}

const TIME = { timeout: 60_000 };

test('a script that is not there is told at once', TIME, async () => {
  const { code, ms } = await outcome(() => told(() => open_('none', { worker: '/none.js' })));
  assert.equal(code, 'SILT_NOT_SUPPORTED');
  assert.ok(ms < 9000, `${ms} ms`);
});

test('a page whose policy forbids workers is told so', TIME, async () => {
  const csp = encodeURIComponent("worker-src 'none'");
  const { code, ms } = await outcome(() => told(() => open_('forbidden')), `?csp=${csp}`);
  assert.equal(code, 'SILT_NOT_SUPPORTED');
  assert.ok(ms < 9000, `${ms} ms`);
});

test('a worker whose policy forbids WebAssembly is told so', TIME, async () => {
  const { code } = await outcome(() => told(() => {
    const csp = encodeURIComponent("script-src 'self'");
    return open_('blocked', { worker: `/worker.js?csp=${csp}` });
  }));
  assert.equal(code, 'SILT_WASM_BLOCKED');
});

test('a script that is not the one of the package is told within a time', TIME, async () => {
  const { code, ms } = await outcome(() => told(() => {
    return open_('silent', { worker: '/silent.js', startTimeoutMs: 300 });
  }));
  assert.equal(code, 'SILT_NOT_SUPPORTED');
  assert.ok(ms < 9000, `${ms} ms`);
});

test('a worker that is killed before it says anything is replaced', TIME, async () => {
  const { value } = await outcome(() => told(async () => {
    const opening = open_('early', { startTimeoutMs: 4000 });
    workers[0].terminate();
    const s = await opening;
    await s.set('a', 'b');
    return [await s.get('a'), workers.length];
  }));
  assert.deepEqual(value, ['b', 2]);
});

test('a worker that dies and cannot be started again: all that waits is told', TIME, async () => {
  const { first, second, ms } = await outcome(async () => {
    let started = 0;
    const worker = () => {
      started += 1;
      const last = new Worker(started === 1 ? '/worker.js' : '/none.js', { type: 'module' });
      workers.push(last);
      return last;
    };
    const s = await open_('gone', { worker });
    workers[0].terminate();
    const first = await told(() => s.get('a'));
    return { first, second: await told(() => s.get('a')) };
  });
  assert.equal(first.code, 'SILT_CRASHED');
  assert.equal(second.code, 'SILT_CRASHED');
  assert.ok(ms < 9000, `${ms} ms`);
});

test('a message that cannot be read, either way, ends the store by name', TIME, async () => {
  const { here, there } = await outcome(async () => {
    const misread = await open_('misread');
    workers.at(-1).dispatchEvent(new MessageEvent('messageerror'));
    const here = await told(() => misread.get('a'));
    const s = await open_('garbled', {}, 'garble=2');
    const there = await told(async () => {
      await s.get('a');
      await s.get('a');
      await s.get('a');
    });
    return { here, there };
  });
  assert.equal(here.code, 'SILT_IO');
  assert.equal(there.code, 'SILT_NOT_SUPPORTED');
});
