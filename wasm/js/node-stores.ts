/** A store in a directory as a whole: how it is done away with. */

import { existsSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { refuse } from './error.js';
import { refused } from './node-error.js';
import { NodeStorage } from './node-fs.js';
import { LOCK } from './node-lock.js';

/** Refuses what names no directory. */
export function checkDirectory(directory: string): void {
  if (typeof directory !== 'string' || directory === '' || directory.includes('\0')) {
    refuse('name a directory');
  }
}

/**
 * Removes the store of a directory, and the directory unless it holds something else. One that
 * is not there is fine; `SILT_LOCKED` while it is open, and then nothing is removed.
 */
export async function destroy(directory: string): Promise<void> {
  checkDirectory(directory);
  if (!existsSync(directory)) return;
  const storage = new NodeStorage(directory, { create: false });
  try {
    // The manifest last: what is left by a crash is then a damaged store, and never another one.
    const names = storage.list().map(([name]) => name);
    const rank = (name: string) => Number(name.endsWith('.manifest'));
    for (const name of names.sort((a, b) => rank(a) - rank(b))) storage.remove(name);
    rmSync(join(storage.path, LOCK), { force: true });
    if (readdirSync(storage.path).length === 0) rmdirSync(storage.path);
  } catch (e) {
    throw refused('destroy', directory, e);
  } finally {
    storage.shutSync();
  }
}
