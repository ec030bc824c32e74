/** Where the origin private file system begins. */

let found: FileSystemDirectoryHandle | undefined;

/** Its root; undefined where the platform has none for this page. */
export async function opfsRoot(): Promise<FileSystemDirectoryHandle | undefined> {
  try {
    return found ??= await globalThis.navigator?.storage?.getDirectory?.();
  } catch (e) {
    // A private window says so in Firefox, and in Safari.
    if (/Security|Unknown/.test((e as Error).name)) return undefined;
    throw e;
  }
}
