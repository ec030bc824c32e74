// A worker that has a store for itself and is answered at once: what came of it is posted.
import { open, type SiltSync, utf8 } from '../../../js/sync.js';

/** Whether texts of many lengths and letters that a batch sets are read as they were. */
function keepsTexts(db: SiltSync<string, string>): boolean {
  const letters = ['a', '\x7f', '\x80', '\u07ff', '\uffff', '\u{10ffff}'];
  const lengths = [0, 1, 39, 40, 41, 42, 43, 127, 128, 5461, 5462];
  const texts = letters.flatMap((letter) => lengths.map((n) => letter.repeat(n / letter.length)));
  const keyOf = (i: number) => `${i + 10}${texts[i]}`.slice(0, 130);
  db.batch(texts.map((value, i) => ({ type: 'set', key: keyOf(i), value })));
  const found = db.getMany(texts.map((_, i) => keyOf(i)));
  return found.length === texts.length && found.every((text, i) => text === texts[i]);
}

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
  const text = await open('texts', { wasm, values: utf8 });
  const texts = keepsTexts(text) && keepsTexts(text.sub('part/'));
  text.close();
  return { taken, length: value.length, counts, waited: waits > 0, texts };
}

/** Has a store until it is told to close it; then the lock is given back a moment later. */
async function have(name: string) {
  const db = await open(name, { wasm: '/siltdb.wasm' });
  self.onmessage = () => db.close();
  return 'open';
}

(self.name ? have(self.name) : run()).then((found) => postMessage(found), (e) => postMessage({ error: String(e) }));
