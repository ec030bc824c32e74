/** The stores of a site as a whole: which there are, and how one is done away with. */

import { cannot, codeOf, SiltError } from './error.js';
import { databasePrefix, deleteDatabase } from './idb-database.js';
import { folderName, storeOfFolder } from './names.js';
import { opfsRoot } from './opfs-root.js';
import { hold, storeName } from './tabs.js';
import { whileLocked } from './wait.js';

/** The folder of all stores, if there is one. */
export async function storesFolder(): Promise<FileSystemDirectoryHandle | undefined> {
  try {
    return await (await opfsRoot())?.getDirectoryHandle('siltdb');
  } catch (e) {
    const error = cannot('look for stores', e);
    if (error.code === 'SILT_NOT_FOUND') return undefined;
    throw error;
  }
}

/** The names of the stores of this site, in order. */
export async function list(): Promise<string[]> {
  const names = new Set<string>();
  const folder = await storesFolder();
  if (folder) {
    for await (const [name, entry] of folder.entries()) {
      const store = entry.kind === 'directory' ? storeOfFolder(name) : undefined;
      if (store !== undefined) names.add(store);
    }
  }
  const prefix = databasePrefix();
  for (const { name } of (await globalThis.indexedDB?.databases?.()) ?? []) {
    if (name?.startsWith(prefix)) names.add(name.slice(prefix.length));
  }
  return [...names].sort();
}

/**
 * Removes a store with all it holds, wherever the site keeps it. One that is not there is fine;
 * `SILT_LOCKED` while it is open here or in another tab, and then nothing is removed.
 */
export async function destroy(name: string): Promise<void> {
  const held = await hold(storeName(name), { ifAvailable: true });
  if (!held) throw new SiltError('SILT_LOCKED', `${name} is open: close it first`);
  try {
    const folder = await storesFolder();
    if (folder) await removeFolder(folder, folderName(name));
    if (globalThis.indexedDB) await deleteDatabase(name);
  } finally {
    held.release();
  }
}

async function removeFolder(from: FileSystemDirectoryHandle, name: string): Promise<void> {
  try {
    await whileLocked(`remove ${name}`, () => from.removeEntry(name, { recursive: true }));
  } catch (e) {
    if (codeOf(e) !== 'SILT_NOT_FOUND') throw e;
  }
}
