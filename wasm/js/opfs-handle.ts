/** The parts of the platform's file interface that a store uses, and their failures. */

import { codeOf, SiltError, type SiltErrorCode } from './error.js';
import { folderName } from './names.js';

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

/** How long a handle that a dying worker still holds is waited for. */
const WAIT_MS = 1500;

const CODES: Record<string, SiltErrorCode> = {
  QuotaExceededError: 'SILT_OUT_OF_SPACE',
  NoModificationAllowedError: 'SILT_LOCKED',
  NotFoundError: 'SILT_NOT_FOUND',
  NotAllowedError: 'SILT_DENIED',
  SecurityError: 'SILT_DENIED',
};

/** What was thrown, as an error of ours. */
export function cannot(what: string, thrown: unknown): SiltError {
  if (thrown instanceof SiltError || codeOf(thrown)) return thrown as SiltError;
  const { name, message } = thrown as Error;
  const code = CODES[name] ?? 'SILT_IO';
  return new SiltError(code, `cannot ${what}: ${message}`, { cause: thrown });
}

/**
 * Opens a file, alone. One that is open elsewhere is tried again for a moment: the browser frees
 * the handles of a killed worker a little after its locks.
 */
export async function openHandle(file: FolderFile): Promise<SyncHandle> {
  if (typeof file.createSyncAccessHandle !== 'function') {
    throw new SiltError('SILT_NOT_SUPPORTED', 'files open synchronously in dedicated workers only');
  }
  const start = Date.now();
  for (let pause = 5; ; pause *= 2) {
    try {
      return await file.createSyncAccessHandle();
    } catch (e) {
      const error = cannot(`open ${file.name}`, e);
      if (error.code !== 'SILT_LOCKED' || Date.now() - start > WAIT_MS) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

/** The folder of a store, made if it is not there. */
export async function storeFolder(store: string): Promise<FileSystemDirectoryHandle> {
  const storage = globalThis.navigator?.storage;
  if (typeof storage?.getDirectory !== 'function') {
    throw new SiltError('SILT_NOT_SUPPORTED', 'the origin private file system is not offered here');
  }
  try {
    const root = await storage.getDirectory();
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
