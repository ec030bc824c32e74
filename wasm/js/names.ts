/** File names of a store, as `core/src/file_id.rs` makes and parses them. */

/** What a file of a store is. */
export type FileKind = 'segment' | 'manifest';

const NAME = /^(\d{16})\.(segment|manifest)$/;

/** What stands beside the engine's files in the origin private file system, unknown to it. */
export const JOURNAL_NAME = 'publish.journal';

/** A kind and a number; undefined for a stray file. */
export function parseName(name: string): { kind: FileKind; number: number } | undefined {
  const match = NAME.exec(name);
  const number = Number(match?.[1] ?? 0);
  return number > 0 ? { kind: match?.[2] as FileKind, number } : undefined;
}

/** The name of a file. */
export function fileName(kind: FileKind, number: number): string {
  return `${String(number).padStart(16, '0')}.${kind}`;
}

/** The store of a folder; undefined for a folder of another kind. */
export function storeOfFolder(folder: string): string | undefined {
  if (folder === '%') return '';
  try {
    const store = decodeURIComponent(folder);
    return folderName(store) === folder ? store : undefined;
  } catch {
    return undefined;
  }
}

/** A store's name as one path segment, so that no name can leave its folder. */
export function folderName(store: string): string {
  const name = encodeURIComponent(store).replace(/^\.+$/, (dots) => '%2E'.repeat(dots.length));
  return name === '' ? '%' : name;
}
