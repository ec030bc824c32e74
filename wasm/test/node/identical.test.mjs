// One format, to the byte: a script of writes leaves the same files natively and in Node. The
// browser tests compare those of Node with OPFS.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Engine } from '../../build/js/engine.js';
import { NodeStorage } from '../../build/js/node-fs.js';
import './helpers.mjs';
import { NOW_MS, OPTIONS, SEED, filesIn, lines, requests, seeded } from '../script.mjs';

/** Runs the native leg: SILT_SCRIPT, or what cargo makes of the example. */
function runNative(directory) {
  const args = [directory, String(SEED), String(OPTIONS.segmentBytes)];
  const cargo = ['run', '--quiet', '--locked', '-p', 'siltdb-tests', '--example', 'script', '--'];
  const given = process.env.SILT_SCRIPT;
  execFileSync(given ?? 'cargo', given ? args : [...cargo, ...args], {
    input: lines(), cwd: fileURLToPath(new URL('../../..', import.meta.url)),
  });
}

test('a script leaves the same bytes in every file, natively and in Node', (t) => {
  const root = mkdtempSync(join(tmpdir(), 'siltdb-identical-'));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  runNative(join(root, 'native'));
  const storage = new NodeStorage(join(root, 'node'));
  const engine = Engine.open(storage, { ...OPTIONS, now: () => NOW_MS, random: seeded() });
  for (const request of requests()) engine.execute(0, request);
  engine.close();
  storage.shutSync();
  const [native, node] = [filesIn(join(root, 'native')), filesIn(join(root, 'node'))];
  assert.deepEqual(Object.keys(node), Object.keys(native));
  assert.ok(Object.keys(native).length > 5, `${Object.keys(native).length} files`);
  for (const name of Object.keys(native)) assert.ok(node[name] === native[name], name);
});
