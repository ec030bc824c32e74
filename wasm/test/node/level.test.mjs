// What `siltdb/level` does that the suite of abstract-level does not ask.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { SiltLevel } from '../../dist/level-node.js';

test('a seek to a key out of the range ends the iterator', async () => {
  const db = new SiltLevel('seek', { backend: 'memory' });
  for (const key of ['', '\0', '4', '5', '6']) await db.put(key, key);
  const cases = [
    [{ gt: '5' }, '5', undefined], [{ gt: '5' }, '6', '6'], [{ gte: '5' }, '4', undefined],
    [{ gte: '5' }, '5', '5'], [{ gte: '5', reverse: true }, '4', undefined],
    [{ lt: '5' }, '5', undefined], [{ lt: '5', reverse: true }, '5', undefined],
    [{ lt: '5', reverse: true }, '6', undefined], [{ lte: '5', reverse: true }, '5', '5'],
    [{ gt: '' }, '', undefined], [{ gt: '' }, '\0', '\0'], [{ gte: '' }, '', ''],
    [{}, '7', undefined], [{ reverse: true }, '7', '6'],
  ];
  for (const [range, target, expected] of cases) {
    for (const kind of ['keys', 'values', 'iterator']) {
      const iterator = db[kind](range);
      iterator.seek(target);
      const found = await iterator.next();
      const told = `${kind} of ${JSON.stringify(range)} at ${target}`;
      assert.equal(kind === 'iterator' ? found?.[0] : found, expected, told);
      // It may be sought in again.
      iterator.seek('5');
      await iterator.next();
      await iterator.close();
    }
  }
  await db.close();
});

test('a database whose close failed can be closed and opened again', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'siltdb-level-'));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  const db = new SiltLevel(directory);
  await db.put('a', '1');
  rmSync(directory, { recursive: true });
  await assert.rejects(db.put('b', '2'), { code: 'SILT_NOT_FOUND' });
  await assert.rejects(db.close(), { code: 'LEVEL_DATABASE_NOT_CLOSED' });
  await db.close();
  await db.open();
  await db.put('c', '3');
  assert.deepEqual(await db.keys().all(), ['c']);
  await db.close();
});
