// The inspector is an element of pages: servers that render them import it too, and bundlers
// keep an import that has no names.

import assert from 'node:assert/strict';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const wasm = join(dirname(fileURLToPath(import.meta.url)), '../..');

test('siltdb/inspector can be imported where there are no elements', async () => {
  const inspector = await import('../../dist/inspector.js');
  assert.equal(typeof inspector.SiltInspector, 'function');
  assert.equal(globalThis.customElements, undefined);
});

test('a bundle has the element when it is imported for nothing but that', async () => {
  const contents = "import 'siltdb/inspector';";
  const { outputFiles, warnings } = await build({
    stdin: { contents, resolveDir: wasm }, bundle: true, format: 'esm', write: false,
    logLevel: 'silent',
  });
  assert.deepEqual(warnings, []);
  assert.match(outputFiles[0].text, /customElements\.define\("silt-inspector"/);
});
