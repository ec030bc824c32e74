// What a page has to load is bounded.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';

const LIMITS = {
  '../../dist/siltdb.wasm': 61_600,
  '../../dist/index.js': 12_400,
  '../../dist/worker.js': 14_200,
};

for (const [path, limit] of Object.entries(LIMITS)) {
  test(`${path} takes at most ${limit} bytes, packed with gzip`, () => {
    const packed = gzipSync(readFileSync(new URL(path, import.meta.url)), { level: 9 }).length;
    assert.ok(packed <= limit, `${packed}`);
  });
}
