/** The files of a store that nobody has open, for breaking them. */

async function folder(store: string): Promise<FileSystemDirectoryHandle> {
  const root = await navigator.storage.getDirectory();
  const all = await root.getDirectoryHandle('siltdb');
  return all.getDirectoryHandle(encodeURIComponent(store));
}

/** Segments of a store with their bytes, oldest first. */
export async function segmentFiles(store: string): Promise<{ name: string; size: number }[]> {
  const found: { name: string; size: number }[] = [];
  for await (const [name, entry] of (await folder(store)).entries()) {
    if (entry.kind !== 'file' || !name.endsWith('.segment')) continue;
    const { size } = await (entry as FileSystemFileHandle).getFile();
    // An empty one was only made ready for what comes.
    if (size > 0) found.push({ name, size });
  }
  return found.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Bytes of a file. */
export async function readBytes(
  store: string,
  name: string,
  from: number,
  to: number,
): Promise<Uint8Array> {
  const file = await (await (await folder(store)).getFileHandle(name)).getFile();
  return new Uint8Array(await file.slice(from, to).arrayBuffer());
}

/** Opens a file for writing; what killed the last holder may take a moment to let go of it. */
async function writable(store: string, name: string): Promise<FileSystemWritableFileStream> {
  const handle = await (await folder(store)).getFileHandle(name);
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await handle.createWritable({ keepExistingData: true });
    } catch (e) {
      if (attempt === 50) throw e;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

/** Cuts a file to a length. */
export async function cutFile(store: string, name: string, length: number): Promise<void> {
  const file = await writable(store, name);
  await file.truncate(length);
  await file.close();
}

/** Turns one bit of a file over. */
export async function flipBit(store: string, name: string, offset: number): Promise<void> {
  const [byte = 0] = await readBytes(store, name, offset, offset + 1);
  const file = await writable(store, name);
  await file.write({ type: 'write', position: offset, data: new Uint8Array([byte ^ 0x10]) });
  await file.close();
}

/** Bytes as lines of sixteen, in hexadecimal and as text. */
export function dump(bytes: Uint8Array, offset: number): string {
  const lines: string[] = [];
  for (let from = 0; from < bytes.length; from += 16) {
    const row = [...bytes.subarray(from, from + 16)];
    const hex = row.map((b) => b.toString(16).padStart(2, '0')).join(' ');
    const text = row
      .map((b) => (b >= 0x20 && b < 0x7f ? String.fromCharCode(b) : '\u00b7'))
      .join('');
    lines.push(`${String(offset + from).padStart(7)}  ${hex.padEnd(47)}  ${text}`);
  }
  return lines.join('\n');
}
