// What a page has to load is bounded.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';

const LIMITS = {
  'siltdb.wasm': 61_600,
  'index.js': 12_700,
  'worker.js': 14_850,
  'line.js': 600,
};
/** What the engine may take with the JavaScript of a page that opens a store, and that alone. */
const PAGE = 72_000;
const PAGE_SCRIPT = 10_500;

const at = (name) => fileURLToPath(new URL(`../../dist/${name}`, import.meta.url));
const packed = (bytes) => gzipSync(bytes, { level: 9 }).length;

for (const [name, limit] of Object.entries(LIMITS)) {
  test(`${name} takes at most ${limit} bytes, packed with gzip`, () => {
    const taken = packed(readFileSync(at(name)));
    assert.ok(taken <= limit, `${taken}`);
  });
}

test(`a page that opens a store loads at most ${PAGE} bytes, beside the worker`, async () => {
  const contents = `import { open } from ${JSON.stringify(at('index.js'))}; globalThis.open = open;`;
  const { outputFiles: [script] } = await build({
    stdin: { contents, resolveDir: at('.') }, bundle: true, minify: true, format: 'esm',
    target: 'es2022', external: ['./line.js'], write: false,
  });
  const scripts = packed(script.contents);
  const all = scripts + packed(readFileSync(at('siltdb.wasm')));
  assert.ok(scripts <= PAGE_SCRIPT && all <= PAGE, `${scripts} of ${all}`);
});
