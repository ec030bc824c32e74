/** The parts of the platform's file interface that a store uses, and their failures. */

import { cannot, SiltError } from './error.js';
import { folderName, JOURNAL_NAME, parseName } from './names.js';
import { opfsRoot } from './opfs-root.js';
import { whileLocked } from './wait.js';

/** An open file of the origin private file system, synchronous. */
export interface SyncHandle {
  read(into: Uint8Array, options: { at: number }): number;
  write(bytes: Uint8Array, options: { at: number }): number;
  truncate(length: number): void;
  getSize(): number;
  flush(): void;
  close(): void;
}

/** A file that can be opened for synchronous access: in a dedicated worker only. */
export interface FolderFile extends FileSystemFileHandle {
  createSyncAccessHandle?(): Promise<SyncHandle>;
}

/** Opens a file, alone. One that is open elsewhere is waited for, for a moment. */
export async function openHandle(file: FolderFile): Promise<SyncHandle> {
  if (typeof file.createSyncAccessHandle !== 'function') {
    throw new SiltError('SILT_NOT_SUPPORTED', 'files open synchronously in dedicated workers only');
  }
  const open = file.createSyncAccessHandle.bind(file);
  return whileLocked(`open ${file.name}`, open);
}

/** The folder of a store, made if it is not there. */
export async function storeFolder(store: string): Promise<FileSystemDirectoryHandle> {
  try {
    const root = await opfsRoot();
    if (!root) throw new SiltError('SILT_NOT_SUPPORTED', 'files are not offered here');
    const all = await made((create) => root.getDirectoryHandle('siltdb', { create }));
    return await made((create) => all.getDirectoryHandle(folderName(store), { create }));
  } catch (e) {
    throw cannot('open the origin private file system', e);
  }
}

/** Gets what is there, without asking for space, and makes it if it is not. */
async function made<T>(get: (create: boolean) => Promise<T>): Promise<T> {
  try {
    return await get(false);
  } catch (e) {
    if ((e as Error).name !== 'NotFoundError') throw e;
    return get(true);
  }
}

/** Opens the journal of a store, which is made if there is none, and all of its files at once. */
export async function openAll(
  folder: FileSystemDirectoryHandle, opened: Map<string, SyncHandle>,
): Promise<void> {
  const files = new Map<string, FileSystemHandle>();
  for await (const [name, entry] of folder.entries()) {
    if (entry.kind === 'file' && (name === JOURNAL_NAME || parseName(name))) files.set(name, entry);
  }
  if (!files.has(JOURNAL_NAME)) {
    files.set(JOURNAL_NAME, await folder.getFileHandle(JOURNAL_NAME, { create: true }));
  }
  const opening = [...files].map(async ([name, file]) => {
    opened.set(name, await openHandle(file as FolderFile));
  });
  // Only when none is on its way any more can all be closed.
  const ended = await Promise.allSettled(opening);
  for (const one of ended) if (one.status === 'rejected') throw one.reason;
}
