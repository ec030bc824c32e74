// The package as it is published: packed, installed, and used through bundlers, in a browser and
// in Node. Each way writes, starts again, and reads what it wrote.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, extname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { chromium } from 'playwright-core';

const here = dirname(fileURLToPath(import.meta.url));
const wasm = join(here, '..', '..');
const require = createRequire(join(here, 'package.json'));
const work = mkdtempSync(join(tmpdir(), 'siltdb-packaging-'));
const fixtures = join(work, 'fixtures');
const installed = join(work, 'node_modules', 'siltdb');
let browser;

before(async () => {
  const pack = ['pack', '--silent', '--ignore-scripts', '--pack-destination', work];
  execFileSync('npm', pack, { cwd: wasm, stdio: 'ignore' });
  const [tarball] = readdirSync(work).filter((name) => name.endsWith('.tgz'));
  mkdirSync(installed, { recursive: true });
  execFileSync('tar', ['xzf', join(work, tarball), '-C', installed, '--strip-components=1']);
  cpSync(join(here, 'fixtures'), fixtures, { recursive: true });
  // What siltdb/level needs of others.
  for (const name of ['abstract-level', 'buffer', 'base64-js', 'ieee754', 'is-buffer',
    'level-supports', 'level-transcoder', 'maybe-combine-errors', 'module-error']) {
    cpSync(join(wasm, 'node_modules', name), join(work, 'node_modules', name), { recursive: true });
  }
  browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox'],
  });
});

after(async () => {
  await browser?.close();
  rmSync(work, { recursive: true, force: true });
});

const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.mjs': 'text/javascript',
  '.wasm': 'application/wasm' };

/** Pages that are isolated load what speeds them up, besides. */
const ISOLATED = {
  'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp',
};

/** Serves a directory until the test ends. */
async function serve(t, directory) {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, 'http://localhost');
    try {
      const bytes = readFileSync(join(directory, pathname === '/' ? 'index.html' : pathname));
      response.writeHead(200, {
        ...ISOLATED, 'content-type': TYPES[extname(pathname)] ?? 'text/html',
      }).end(bytes);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve) => server.listen(0, 'localhost', resolve));
  t.after(() => server.close());
  return `http://localhost:${server.address().port}/`;
}

/** Opens the page, and opens it again: the second run finds what the first one wrote. */
async function twice(t, directory) {
  const url = await serve(t, directory);
  const context = await browser.newContext();
  t.after(() => context.close());
  const page = await context.newPage();
  const errors = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  page.on('response', (response) => {
    if (!response.ok() && !response.url().endsWith('favicon.ico')) errors.push(response.url());
  });
  for (const runs of [0, 1]) {
    await (runs === 0 ? page.goto(url) : page.reload());
    await page.waitForFunction(() => globalThis.result, null, { timeout: 60_000 })
      .catch((error) => assert.fail(`${error}; ${errors.join('; ')}`));
    const result = await page.evaluate(() => globalThis.result);
    assert.equal(result.error, undefined);
    assert.equal(result.before, runs);
    assert.equal(result.length, 70_000);
    assert.deepEqual(result.keys, ['bytes', 'runs']);
    assert.equal(result.info.persistent, true);
    assert.equal(await page.evaluate(() => crossOriginIsolated), true);
    assert.deepEqual(errors, []);
  }
}

test('the tarball has one compiled engine, types of every entry and no script', () => {
  const files = readdirSync(join(installed, 'dist'));
  assert.deepEqual(files.filter((name) => name.endsWith('.wasm')), ['siltdb.wasm']);
  const manifest = JSON.parse(readFileSync(join(installed, 'package.json')));
  for (const name of ['preinstall', 'install', 'postinstall', 'prepare']) {
    assert.equal(manifest.scripts?.[name], undefined);
  }
  assert.equal(manifest.dependencies, undefined);
  const named = JSON.stringify(manifest.exports).match(/\.\/dist\/[^"]+/g);
  for (const path of named) readFileSync(join(installed, path));
});

test('the licences are packed as the repository has them', () => {
  for (const name of ['LICENSE', 'LICENSE-APACHE', 'LICENSE-MIT']) {
    const text = readFileSync(join(wasm, '..', name), 'utf8');
    assert.ok(text.includes('SiltDB') || text.includes('Apache License'));
    assert.equal(readFileSync(join(installed, name), 'utf8'), text);
  }
});

test('the entry for browsers is small', () => {
  // The slim one is one file.
  for (const [name, most] of [['index.js', 12_700], ['slim.js', 13_200]]) {
    const script = readFileSync(join(installed, 'dist', name));
    const { length } = gzipSync(script, { level: 9 });
    assert.ok(length <= most, `${name} takes ${length} bytes, packed`);
    assert.equal(/import\(/.test(script), name === 'index.js');
  }
});

test('a page without a bundler', async (t) => {
  const site = join(work, 'plain');
  cpSync(join(installed, 'dist'), join(site, 'siltdb'), { recursive: true });
  for (const name of ['app.js', 'run.js']) cpSync(join(fixtures, name), join(site, name));
  cpSync(join(fixtures, 'plain.html'), join(site, 'index.html'));
  await twice(t, site);
});

test('Vite', async (t) => {
  const vite = dirname(require.resolve('vite/package.json'));
  const { build } = await import(join(vite, 'dist/node/index.js'));
  const site = join(work, 'vite');
  await build({ root: fixtures, logLevel: 'error', worker: { format: 'es' },
    build: { outDir: site, emptyOutDir: true } });
  const emitted = readdirSync(join(site, 'assets')).filter((name) => name.endsWith('.wasm'));
  assert.equal(emitted.length, 1);
  await twice(t, site);
});

test('webpack 5', async (t) => {
  const webpack = require('webpack');
  const site = join(work, 'webpack');
  const stats = await new Promise((resolve, reject) => webpack({
    mode: 'production',
    context: fixtures,
    entry: './app.js',
    experiments: { outputModule: true },
    output: { path: site, filename: 'app.js', module: true },
  }, (error, done) => (error ? reject(error) : resolve(done))));
  assert.equal(stats.hasErrors(), false, stats.toString());
  cpSync(join(fixtures, 'index.html'), join(site, 'index.html'));
  await twice(t, site);
});

test('esbuild, with siltdb/slim', async (t) => {
  const { build } = require('esbuild');
  const site = join(work, 'esbuild');
  await build({
    absWorkingDir: fixtures,
    entryPoints: { app: './slim.js', 'siltdb-worker': 'siltdb/worker' },
    outdir: site,
    bundle: true,
    format: 'esm',
    loader: { '.wasm': 'file' },
    logLevel: 'error',
  });
  cpSync(join(fixtures, 'index.html'), join(site, 'index.html'));
  await twice(t, site);
});

test('Node, ESM and CommonJS', () => {
  for (const name of ['node-esm.mjs', 'node-cjs.cjs']) {
    const directory = join(work, `store-${name}`);
    for (const runs of [0, 1]) {
      const told = execFileSync(process.execPath, [join(fixtures, name), directory]);
      assert.deepEqual(JSON.parse(told), { runs });
    }
  }
});

test('types, without skipLibCheck, however modules are found', () => {
  const tsc = join(wasm, 'node_modules', 'typescript', 'bin', 'tsc');
  for (const [module, resolution] of [['node16', 'node16'], ['esnext', 'bundler']]) {
    try {
      execFileSync(process.execPath, [tsc, '--strict', '--noEmit', '--target', 'es2022',
        '--types', '',
        '--module', module, '--moduleResolution', resolution, 'types.mts'], { cwd: fixtures });
    } catch (error) {
      assert.fail(`${module}: ${error.stdout}`);
    }
  }
});

test('importing touches nothing: a server that renders pages may do it', () => {
  // As a bundler for servers would: the browser's entries, where there is no browser.
  const script = `
    for (const name of ['Worker', 'navigator', 'window', 'document', 'indexedDB', 'localStorage',
      'BroadcastChannel', 'WebAssembly', 'fetch']) {
      Object.defineProperty(globalThis, name, {
        get() { throw new Error(name + ' was touched at import'); }, configurable: true,
      });
    }
    for (const name of ['index.js', 'slim.js', 'sync.js', 'level.js', 'node.js']) {
      const module = await import(${JSON.stringify(`${installed}/dist/`)} + name);
      if (Object.keys(module).length === 0) throw new Error(name + ' is empty');
    }
    console.log('fine');`;
  const told = execFileSync(process.execPath, ['--input-type=module', '-e', script]);
  assert.equal(String(told), 'fine\n');
});
