// `siltdb/level` passes the whole suite of abstract-level.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const suite = fileURLToPath(new URL('suite.mjs', import.meta.url));

/** Assertions that the suite has for what each backend supports, at least. */
const COUNTS = { memory: 5124, 'node-fs': 5132 };

for (const [backend, count] of Object.entries(COUNTS)) {
  test(`abstract-level suite on ${backend}`, () => {
    const { stdout } = spawnSync(process.execPath, [suite, backend], { maxBuffer: 1 << 26 });
    const tap = String(stdout);
    const failed = tap.split('\n').filter((line) => line.startsWith('not ok'));
    assert.deepEqual(failed, []);
    const passed = Number(/^# pass\s+(\d+)$/m.exec(tap)?.[1]);
    assert.ok(passed >= count, `${passed} assertions instead of ${count}: ${tap.slice(-500)}`);
    console.log(`# ${backend}: ${passed} assertions`);
  });
}
