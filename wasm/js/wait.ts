/** Waiting for what comes by itself. */

import { cannot } from './error.js';

/** How long a file that a dying worker still holds is waited for. */
const WAIT_MS = 1500;

/** Waits for so many milliseconds. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/**
 * Does what fails while a file is open elsewhere, again and again for a moment: the browser frees
 * the files of a killed worker a little after its locks.
 */
export async function whileLocked<T>(what: string, act: () => Promise<T>): Promise<T> {
  const start = Date.now();
  for (let ms = 5; ; ms *= 2) {
    try {
      return await act();
    } catch (e) {
      const error = cannot(what, e);
      if (error.code !== 'SILT_LOCKED' || Date.now() - start > WAIT_MS) throw error;
    }
    await pause(ms);
  }
}
