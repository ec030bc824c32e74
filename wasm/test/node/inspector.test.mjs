// The inspector is an element of pages; a server that renders them imports it too.

import assert from 'node:assert/strict';
import { test } from 'node:test';

test('siltdb/inspector can be imported where there are no elements', async () => {
  const inspector = await import('../../dist/inspector.js');
  assert.equal(typeof inspector.SiltInspector, 'function');
  assert.equal(globalThis.customElements, undefined);
});
