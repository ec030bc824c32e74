// Serves the pages of the tests.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { dirname, join } from 'node:path';
import { after, before } from 'node:test';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { scratch, start, startFirefox, startWebKit } from './browsers.mjs';

export { scratch, start, startFirefox, startWebKit };

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

/** What isolates a page from others, for it to have memory that it shares with its worker. */
const ISOLATED = {
  'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp',
};

/** Serves the test pages; `url` is a secure context, being on this machine. */
export async function serve(isolated = false) {
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
      ...(isolated && ISOLATED), ...(type && { 'content-type': type }), ...(csp && { 'content-security-policy': csp }),
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

/** The pages at `url`, from before the first test of a file until after its last one. */
export function served(isolated) {
  const site = {};
  let server;
  before(async () => {
    server = await serve(isolated);
    site.url = server.url;
  });
  after(() => server?.close());
  return site;
}

/**
 * The same, in a browser on a new profile; `page` opens one. SILT_ISOLATED=1 has the tests of all
 * pages in isolated ones.
 */
export function inChromium(isolated = Boolean(process.env.SILT_ISOLATED)) {
  const site = served(isolated);
  before(async () => (site.chrome = await start(scratch())));
  after(() => site.chrome?.close());
  site.page = () => newPage(site.chrome.context, site.url);
  return site;
}

/** Opens a page of the tests. */
export async function newPage(context, url) {
  const page = await context.newPage();
  page.on('pageerror', (error) => console.error('page:', error.message));
  await page.goto(url);
  await page.waitForFunction(() => 'open_' in globalThis);
  return page;
}
