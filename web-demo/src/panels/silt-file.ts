/** What a `.silt` file says of itself, and its checksums; see FORMAT.md, section 11. */

const HEADER_BYTES = 48;
const TRAILER_BYTES = 24;

/** What both sides print of a file. */
export interface FileFacts {
  bytes: number;
  /** The moment whose state it holds. */
  seq: number;
  /** As `silt snapshot` and `silt restore` print it. */
  crc: string;
  /** As `sha256sum` prints it. */
  sha256: string;
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (b) => b.toString(16).padStart(2, '0')).join('');
}

/** Reads the facts of a file; whether all of it holds is told by importing it. */
export async function factsOf(file: Blob): Promise<FileFacts> {
  const bytes = await file.arrayBuffer();
  const magic = new TextDecoder().decode(bytes.slice(0, 8));
  if (bytes.byteLength < HEADER_BYTES + TRAILER_BYTES || magic !== 'SILTSNAP') {
    throw new Error('this is no .silt file: it does not begin as one');
  }
  const view = new DataView(bytes);
  const end = bytes.byteLength - TRAILER_BYTES;
  return {
    bytes: bytes.byteLength,
    seq: Number(view.getBigUint64(28, true)),
    crc: view
      .getUint32(end + 4, true)
      .toString(16)
      .padStart(8, '0'),
    sha256: hex(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))),
  };
}
