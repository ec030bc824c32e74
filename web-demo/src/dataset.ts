/** The data set: a few thousand characters of Unicode, written in batches so that one sees it. */

import type { Store } from './app.js';

const BATCH = 64;

/** Loads it; `told` hears how much is in. Returns how many records there are. */
export async function loadDataSet(
  db: Store,
  told: (done: number, total: number) => void,
): Promise<number> {
  const response = await fetch('data/unicode.tsv');
  if (!response.ok) throw new Error(`the data set cannot be loaded: ${response.status}`);
  const lines = (await response.text()).split('\n').filter((line) => line !== '');
  for (let from = 0; from < lines.length; from += BATCH) {
    const batch = db.batch();
    for (const line of lines.slice(from, from + BATCH)) {
      const tab = line.indexOf('\t');
      batch.set(line.slice(0, tab), line.slice(tab + 1));
    }
    await batch.commit();
    told(Math.min(from + BATCH, lines.length), lines.length);
    // One frame between two batches: what is written is seen being written.
    await new Promise((resolve) => setTimeout(resolve, 16));
  }
  return lines.length;
}
