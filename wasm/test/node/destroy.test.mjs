// A store in a directory is done away with as a whole, and never while it is open.

import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { destroy, open } from '../../dist/node.js';

test('destroy removes a closed store, refuses an open one, and keeps files of others', async (t) => {
  const root = mkdtempSync(join(tmpdir(), 'siltdb-destroy-'));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  const [one, two] = [join(root, 'one'), join(root, 'two')];
  const db = await open(one, { segmentBytes: 64 * 1024 });
  for (let i = 0; i < 30; i += 1) await db.set(`key ${i}`, 'x'.repeat(10_000));
  await assert.rejects(destroy(one), { code: 'SILT_LOCKED' });
  assert.equal((await db.get('key 7')).length, 10_000);
  await db.close();
  await destroy(one);
  assert.ok(!existsSync(one));
  await destroy(one);
  await (await open(two)).close();
  writeFileSync(join(two, 'notes.txt'), 'mine');
  await destroy(two);
  assert.deepEqual(readdirSync(two), ['notes.txt']);
  const again = await open(one);
  assert.equal(await again.count(), 0);
  await again.close();
});
