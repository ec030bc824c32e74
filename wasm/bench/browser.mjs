// Runs the benchmark in Chromium, on profiles on disk, and prints tables:
//
//   node browser.mjs [--scale N] [--rounds N] [--only TEXT] [--rows TEXT] [--out FILE.json] [--isolated]
//
// Stores take turns within a row, each fresh, another one first each time; every figure is the
// median of the rounds.

import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { cpus, loadavg, tmpdir } from 'node:os';
import { dirname, extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';

const { values: given } = parseArgs({ options: {
  scale: { type: 'string', default: '1' }, rounds: { type: 'string', default: '3' },
  only: { type: 'string', default: '' }, rows: { type: 'string', default: '' },
  out: { type: 'string', default: 'browser-results.json' },
  isolated: { type: 'boolean', default: false },
} });
const scale = Number(given.scale);
const rounds = Number(given.rounds);
const OPEN_KEYS = 100_000;
const OVERWRITES = 5;
const OPENING = 'restart, open 100,000 keys, first get (ms)';
const SPACE = 'space after 5 overwrites, times live';

const here = dirname(fileURLToPath(import.meta.url));
const site = mkdtempSync(join(tmpdir(), 'siltdb-bench-'));
process.on('exit', () => rmSync(site, { recursive: true, force: true, maxRetries: 5 }));
const TYPES = { '.js': 'text/javascript', '.wasm': 'application/wasm' };

async function makeSite() {
  await build({
    absWorkingDir: join(here, 'browser'),
    entryPoints: { page: './page.mjs', 'store-worker': './store-worker.mjs' },
    outdir: site, bundle: true, splitting: true, minify: true, format: 'esm', target: 'es2022',
    logLevel: 'error', define: { global: 'globalThis' },
  });
  const dist = join(here, '../dist');
  for (const name of ['worker.js', 'siltdb.wasm']) cpSync(join(dist, name), join(site, name));
  const { resolve } = createRequire(import.meta.url);
  const module = (name) => {
    const entry = resolve(name);
    return entry.slice(0, entry.lastIndexOf(name) + name.length);
  };
  cpSync(join(module('wa-sqlite'), 'dist/wa-sqlite.wasm'), join(site, 'wa-sqlite.wasm'));
  for (const part of ['sqlite-wasm/jswasm', 'dist', 'jswasm']) {
    try {
      cpSync(join(module('@sqlite.org/sqlite-wasm'), part, 'sqlite3.wasm'),
        join(site, 'sqlite3.wasm'));
    } catch {
      // Its versions have it in different places.
    }
  }
  writeFileSync(join(site, 'index.html'),
    '<!doctype html><title>bench</title><script type="module" src="page.js"></script>');
}

function serve() {
  const server = createServer((request, response) => {
    const path = new URL(request.url, 'http://localhost').pathname;
    try {
      const bytes = readFileSync(join(site, path === '/' ? 'index.html' : path));
      response.setHeader('content-type', TYPES[extname(path)] ?? 'text/html');
      if (given.isolated) {
        response.setHeader('cross-origin-opener-policy', 'same-origin');
        response.setHeader('cross-origin-embedder-policy', 'require-corp');
      }
      response.end(bytes);
    } catch {
      response.writeHead(404).end();
    }
  });
  return new Promise((resolve) => server.listen(0, 'localhost', () => resolve(server)));
}

/** A browser on a profile, with the page open. */
async function browse(url, profile) {
  const context = await chromium.launchPersistentContext(join(site, profile), {
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--no-sandbox'],
  });
  const page = context.pages()[0] ?? await context.newPage();
  await page.goto(url);
  await page.waitForFunction(() => globalThis.rows);
  const call = (method, argument) =>
    page.evaluate(([m, a]) => globalThis.call(m, a), [method, argument]);
  return { page, call, close: () => context.close() };
}

const median = (numbers) => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)];
const diskBytes = (profile) =>
  ['File System', 'IndexedDB'].reduce((sum, folder) => {
    try {
      const path = join(site, profile, 'Default', folder);
      return sum + Number(execFileSync('du', ['-sk', path], { stdio: 'pipe' }).toString().split('\t')[0]) * 1024;
    } catch {
      return sum;
    }
  }, 0);

const results = {};
function add(row, place, store, figure) {
  if (figure === undefined) return;
  (((results[row] ??= {})[place] ??= {})[store] ??= []).push(figure);
}

function failed(what, error) {
  console.error(`${what}: ${error.message.split('\n').slice(0, 2).join(' ')}`);
  process.exitCode = 1;
}

let id = 0;

async function timed(url, stores, rows) {
  let turn = 0;
  for (let round = 0; round < rounds; round += 1) {
    const browser = await browse(url, `profile-${round}`);
    // A browser that was just started is still at it.
    await new Promise((resolve) => setTimeout(resolve, 2000));
    for (const row of rows) {
      for (const place of ['page', 'worker']) {
        // What a store leaves to be done after it was closed is not always left to the same one.
        const first = turn % stores.length;
        turn += 1;
        for (const store of [...stores.slice(first), ...stores.slice(0, first)]) {
          id += 1;
          await browser.call('row', { place, store, row, scale, id })
            .then((us) => add(row, place, store, us))
            .catch((error) => failed(`${store}, ${row}, ${place}`, error));
        }
      }
      console.error(`round ${round + 1} of ${rounds}: ${row}`);
    }
    await browser.close();
    rmSync(join(site, `profile-${round}`), { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Every opening is by a browser that was just started. */
async function openings(url, stores) {
  for (const store of stores) {
    const profile = `open-${id += 1}`;
    const what = { place: 'page', store, id, keys: OPEN_KEYS };
    try {
      const first = await browse(url, profile);
      await first.call('fill', what).finally(() => first.close());
      for (let round = 0; round < rounds; round += 1) {
        const again = await browse(url, profile);
        await again.call('reopen', what).then((ms) => add(OPENING, 'page', store, ms))
          .finally(() => again.close());
      }
    } catch (error) {
      failed(`${store}, opening`, error);
    }
    rmSync(join(site, profile), { recursive: true, force: true, maxRetries: 5 });
  }
  console.error(OPENING);
}

/** How much of the disk a store takes, times what is live of it. Nothing here packs. */
async function space(url, stores) {
  for (const store of stores) {
    const profile = `space-${id += 1}`;
    const browser = await browse(url, profile);
    const empty = diskBytes(profile);
    await browser.call('space', { place: 'page', store, id, times: OVERWRITES })
      .then(({ live, counted }) => {
        const taken = diskBytes(profile) - empty;
        // The browser counts otherwise, without what is left of blocks.
        if (taken < live || Math.abs(taken - counted) > counted / 5) {
          throw new Error(`${taken} bytes on disk: ${live} are live, the page counts ${counted}`);
        }
        add(SPACE, 'page', store, taken / live);
      })
      .catch((error) => failed(`${store}, space`, error));
    await browser.close();
    rmSync(join(site, profile), { recursive: true, force: true, maxRetries: 5 });
  }
  console.error(SPACE);
}

/** A table for page or worker: rows down, stores across, and how far ahead siltdb is. */
function table(place, stores) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  const lines = [
    line([`${place}: microseconds`, ...stores, 'siltdb, OPFS against the best']),
    line(['---', ...stores.map(() => '---:'), '---:']),
  ];
  for (const [row, places] of Object.entries(results)) {
    const found = places[place];
    if (!found) continue;
    const figures = Object.fromEntries(
      Object.entries(found).map(([store, all]) => [store, median(all)]),
    );
    const peers = Object.entries(figures).filter(([store]) => !/^(siltdb|bare)/.test(store));
    const best = Math.min(...peers.map(([, figure]) => figure));
    const ratio = best / figures['siltdb, OPFS'];
    lines.push(line([row, ...stores.map((store) => figures[store]?.toFixed(1) ?? ''),
      Number.isFinite(ratio) ? `${ratio.toFixed(2)}x` : '']));
  }
  return lines.join('\n');
}

await makeSite();
const server = await serve();
const url = `http://localhost:${server.address().port}/`;
const probe = await browse(url, 'probe');
const names = await probe.page.evaluate(() => ({ stores: globalThis.stores, rows: globalThis.rows }));
const version = await probe.page.evaluate(() => navigator.userAgent);
await probe.close();
const stores = names.stores.filter((name) => new RegExp(given.only).test(name));
const wanted = (row) => new RegExp(given.rows).test(row);
const loadBefore = loadavg()[0];
await timed(url, stores, names.rows.filter(wanted));
const kept = stores.filter((store) => store !== 'bare file');
if (wanted(OPENING)) await openings(url, kept);
if (wanted(SPACE)) await space(url, kept);
server.close();
const about = {
  when: new Date().toISOString(), browser: version, cpu: cpus()[0]?.model, cores: cpus().length,
  load: [loadBefore, loadavg()[0]], scale, rounds,
};
writeFileSync(given.out, JSON.stringify({ about, results }, null, 1));
console.log(`${table('page', stores)}\n\n${table('worker', stores)}`);
console.log(`\nload of the machine ${about.load.map((l) => l.toFixed(1)).join(' to ')}; ` +
  `all figures in ${given.out}`);
