// `siltdb/level` passes the whole suite of abstract-level in Chromium, on OPFS and IndexedDB.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { dirname, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';

const here = dirname(fileURLToPath(import.meta.url));
const dist = join(here, '../../dist');

/** Assertions that the suite has for what the class supports in browsers, at least. */
const COUNT = 4670;

let browser;
let server;
let url;

before(async () => {
  const built = await build({
    entryPoints: [join(here, 'browser-page.mjs')],
    bundle: true, write: false, format: 'esm', target: 'es2022', platform: 'browser',
    inject: [join(here, 'shims.mjs')], define: { __dirname: '"/"', __filename: '"/page.js"' },
    alias: {
      path: join(here, 'empty.mjs'), fs: join(here, 'empty.mjs'), stream: 'stream-browserify',
    },
    logLevel: 'error',
  });
  // What `new URL` names stands beside the script.
  const files = { '/page.js': built.outputFiles[0].text };
  for (const name of ['worker.js', 'siltdb.wasm']) {
    files[`/${name}`] = readFileSync(join(dist, name));
  }
  server = createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    const type = pathname.endsWith('.js') ? 'text/javascript'
      : pathname.endsWith('.wasm') ? 'application/wasm' : 'text/html';
    response.setHeader('content-type', type);
    response.end(pathname === '/'
      ? '<!doctype html><script type="module" src="/page.js"></script>'
      : files[pathname] ?? '');
  });
  await new Promise((resolve) => server.listen(0, 'localhost', resolve));
  url = `http://localhost:${server.address().port}/`;
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox'],
  });
});

after(async () => {
  await browser?.close();
  server?.close();
});

// Both at once: each waits for its worker most of the time.
describe('abstract-level suite in Chromium', { concurrency: 2 }, () => {
  for (const backend of ['opfs', 'idb']) test(backend, async (t) => {
    const context = await browser.newContext();
    t.after(() => context.close());
    const page = await context.newPage();
    const lines = [];
    page.on('console', (message) => lines.push(...message.text().split('\n')));
    page.on('pageerror', (error) => {
      lines.push(`not ok ${error}`);
      // Nothing comes after it.
      page.evaluate(() => (globalThis.finished = true)).catch(() => {});
    });
    await page.goto(`${url}?backend=${backend}`);
    await page.waitForFunction(() => globalThis.finished, null, { timeout: 420_000 })
      .catch((error) => assert.fail(`${error}: ${lines.slice(-20).join('\n')}`));
    const failed = lines.findIndex((line) => line.startsWith('not ok'));
    assert.equal(failed, -1, lines.slice(failed - 3, failed + 30).join('\n'));
    const passed = lines.filter((line) => line.startsWith('ok')).length;
    assert.ok(passed >= COUNT, `${passed} assertions instead of ${COUNT}`);
    console.log(`# ${backend}: ${passed} assertions`);
  });
});
