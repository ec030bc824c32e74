// Runs the benchmark page in Chromium, on a profile on disk: node browser.mjs [SCALE]

import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';
import { table } from './workloads.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const site = mkdtempSync(join(tmpdir(), 'siltdb-bench-page-'));
const scale = Number(process.argv[2] ?? 1);
const TYPES = { '.js': 'text/javascript', '.wasm': 'application/wasm', '.html': 'text/html' };

await build({
  absWorkingDir: here,
  entryPoints: { page: './page.mjs', 'sqlite-worker': './sqlite-worker.mjs' },
  outdir: site, bundle: true, format: 'esm', target: 'es2022', logLevel: 'error',
  define: { global: 'globalThis' },
});
for (const name of ['worker.js', 'siltdb.wasm']) {
  cpSync(join(here, '../dist', name), join(site, name));
}
const entry = createRequire(import.meta.url).resolve('@sqlite.org/sqlite-wasm');
const folder = entry.slice(0, entry.lastIndexOf('sqlite-wasm') + 'sqlite-wasm'.length);
for (const part of ['sqlite-wasm/jswasm', 'dist', 'jswasm']) {
  try {
    cpSync(join(folder, part, 'sqlite3.wasm'), join(site, 'sqlite3.wasm'));
  } catch {
    // Its versions have it in different places.
  }
}
writeFileSync(join(site, 'index.html'),
  '<!doctype html><title>bench</title><script type="module" src="page.js"></script>');

const server = createServer((request, response) => {
  const path = new URL(request.url, 'http://localhost').pathname;
  try {
    const bytes = readFileSync(join(site, path === '/' ? 'index.html' : path));
    response.setHeader('content-type', TYPES[extname(path)] ?? 'text/html');
    response.end(bytes);
  } catch {
    response.writeHead(404).end();
  }
});
await new Promise((resolve) => server.listen(0, 'localhost', resolve));
const context = await chromium.launchPersistentContext(join(site, 'profile'), {
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox'],
});
const results = {};
try {
  const page = await context.newPage();
  await page.goto(`http://localhost:${server.address().port}/`);
  await page.waitForFunction(() => globalThis.names);
  for (const name of await page.evaluate(() => globalThis.names)) {
    results[name] = await page.evaluate(([n, s]) => globalThis.bench(n, s), [name, scale])
      .catch((error) => {
        console.error(`${name}: ${error.message.split('\n')[0]}`);
        return {};
      });
  }
} finally {
  await context.close();
  server.close();
  rmSync(site, { recursive: true, force: true });
}
console.log(table(results));
