// Serves the pages of the tests, and starts browsers of the machine with a profile on disk.

import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after } from 'node:test';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { chromium } from 'playwright-core';

const here = dirname(fileURLToPath(import.meta.url));
const wasm = join(here, '../../build/js/siltdb.wasm');

async function bundle(name) {
  const entryPoints = [join(here, 'page', `${name}.ts`)];
  const built = await build({
    entryPoints, bundle: true, format: 'esm', target: 'es2022', write: false,
    sourcemap: 'inline', logLevel: 'warning',
  });
  return built.outputFiles[0].text;
}

/** Serves the test pages; `url` is a secure context, being on this machine. */
export async function serve() {
  const html = '<!doctype html><meta charset="utf-8"><title>test</title>';
  const files = {
    '/': ['text/html', `${html}<script type="module" src="/page.js"></script>`],
    '/page.js': ['text/javascript', await bundle('page')],
    '/worker.js': ['text/javascript', await bundle('worker')],
    '/siltdb.wasm': ['application/wasm', readFileSync(wasm)],
    '/sync.js': ['text/javascript', await bundle('sync')],
    // A script that loads and does nothing.
    '/silent.js': ['text/javascript', ''],
  };
  // `?csp=...` is the Content Security Policy of what is answered.
  const server = createServer(({ url }, response) => {
    const { pathname, searchParams } = new URL(url, 'http://localhost');
    const [type, body] = files[pathname] ?? [];
    const csp = searchParams.get('csp');
    response.writeHead(type ? 200 : 404, {
      ...(type && { 'content-type': type }), ...(csp && { 'content-security-policy': csp }),
    });
    response.end(body);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = () => new Promise((resolve) => {
    server.closeAllConnections();
    server.close(resolve);
  });
  return { url: `http://127.0.0.1:${server.address().port}/`, close };
}

/** What is left to do when the process ends. */
const atExit = [];
process.on('exit', () => {
  for (const run of atExit.reverse()) run();
});
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

/** Browsers of tests that failed would keep the process alive. */
const open = new Set();
after(() => Promise.all([...open].map((kill) => kill())));

/** A folder that is removed at the end of the process. */
export function scratch() {
  const folder = mkdtempSync(join(tmpdir(), 'siltdb-browser-'));
  atExit.push(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}

const ARGS = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync',
  '--remote-debugging-port=0',
];

/** Starts Chromium on a profile, in a process group of its own so that all of it can be killed. */
export async function start(profile) {
  const program = process.env.CHROMIUM ?? 'chromium';
  const child = spawn(program, [...ARGS, `--user-data-dir=${profile}`, 'about:blank'], {
    detached: true, stdio: ['ignore', 'ignore', 'pipe'],
  });
  const exited = new Promise((resolve) => child.once('exit', resolve));
  const kill = async () => {
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      // It is gone already.
    }
    await exited;
    open.delete(kill);
  };
  open.add(kill);
  atExit.push(() => void kill());
  const address = await new Promise((resolve, reject) => {
    let told = '';
    child.stderr.on('data', (bytes) => {
      told += bytes;
      const found = /DevTools listening on (ws:\S+)/.exec(told);
      if (found) resolve(found[1]);
    });
    child.once('error', reject);
    child.once('exit', () => reject(new Error(`${program} does not start: ${told}`)));
  });
  const browser = await chromium.connectOverCDP(address);
  const close = async () => {
    if (!open.has(kill)) return;
    const session = await browser.newBrowserCDPSession();
    await session.send('Browser.close').catch(() => {});
    await Promise.race([exited, new Promise((resolve) => setTimeout(resolve, 5000))]);
    await kill();
  };
  return { browser, context: browser.contexts()[0], kill, close };
}

/** Opens a page of the tests. */
export async function newPage(context, url) {
  const page = await context.newPage();
  page.on('pageerror', (error) => console.error('page:', error.message));
  await page.goto(url);
  await page.waitForFunction(() => 'open_' in globalThis);
  return page;
}
