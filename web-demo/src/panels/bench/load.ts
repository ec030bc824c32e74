/** Writes as fast as it goes, while the reader uses the page and feels whether it stutters. */

import type { Contender } from './contenders.js';
import { GROUP, recordsOf, type Settings } from './measure.js';

const LAST_MS = 10_000;
const TELL_MS = 250;

/**
 * Goes on until the signal, or for ten seconds; `told` hears how many records are written in how
 * long.
 */
export async function writeOn(
  contender: Contender,
  settings: Settings,
  signal: AbortSignal,
  told: (records: number, ms: number) => void,
): Promise<void> {
  const arena = await contender.enter();
  const began = performance.now();
  let tell = began + TELL_MS;
  try {
    for (let written = 0; !signal.aborted;) {
      const going = arena.putMany(recordsOf(written, GROUP, settings));
      // What blocks is given turns of its own, or nothing else would ever happen.
      await (going instanceof Promise ? going : new Promise((resolve) => setTimeout(resolve)));
      written += GROUP;
      const now = performance.now();
      if (now < tell) continue;
      told(written, now - began);
      tell = now + TELL_MS;
      if (now - began > LAST_MS) break;
    }
  } finally {
    await arena.leave();
  }
}
