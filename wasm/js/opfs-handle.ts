/** The parts of the platform's file interface that a store uses, and their failures. */

import { cannot, SiltError } from './error.js';
import { folderName } from './names.js';
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
export async function made<T>(get: (create: boolean) => Promise<T>): Promise<T> {
  try {
    return await get(false);
  } catch (e) {
    if ((e as Error).name !== 'NotFoundError') throw e;
    return get(true);
  }
}
