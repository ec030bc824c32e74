// A worker that has a store for itself and is answered at once: what came of it is posted.
import { open } from '../../../js/sync.js';

async function run() {
  const wasm = '/siltdb.wasm';
  const db = await open('sync', { wasm, segmentBytes: 64 * 1024 });
  const taken = await open('sync', { wasm }).catch((e) => e.code);
  let waits = 0;
  for (let i = 0; i < 300; i += 1) {
    for (;;) {
      try {
        db.set(`key ${i}`, 'x'.repeat(3000));
        break;
      } catch (e) {
        if ((e as { code?: string }).code !== 'SILT_NOT_READY') throw e;
        waits += 1;
        await db.prepare();
      }
    }
  }
  const value: string = db.get('key 7');
  const counts = [db.count()];
  db.close();
  // The lock is given back when the files are.
  for (;;) {
    const again = await open('sync', { wasm }).catch(() => undefined);
    if (!again) continue;
    counts.push(again.count());
    again.close();
    break;
  }
  return { taken, length: value.length, counts, waited: waits > 0 };
}

run().then((found) => postMessage(found), (e) => postMessage({ error: String(e) }));
