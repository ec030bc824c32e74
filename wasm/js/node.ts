/** `siltdb` in Node: stores in directories, the same as those of the command line. */

import { type Silt, attach } from './client.js';
import { refuseNoBlob } from './error.js';
import type { CodecOptions } from './codec.js';
import { type NodeOptions, connectNode } from './connect-node.js';
import { LocalSession } from './local-session.js';
import { splitOptions } from './scope.js';

export * from './exports.js';
export type { NodeOptions } from './connect-node.js';
export { destroy } from './node-stores.js';

/** Options of {@link open}. */
export interface OpenOptions<K = any, V = any> extends NodeOptions, CodecOptions<K, V> {}

/** Opens the store in a directory, or creates one. Nobody else can write to it meanwhile. */
export async function open<K = string, V = any>(
  directory: string,
  options: OpenOptions<K, V> = {},
): Promise<Silt<K, V>> {
  const [codecs, others] = splitOptions(options);
  const session = new LocalSession(await connectNode(directory, others));
  return attach<K, V>(session, codecs);
}

/** Makes the store of a directory that has none yet out of a `.silt` file. */
export async function importFile(
  directory: string,
  file: Blob,
  options: NodeOptions = {},
): Promise<void> {
  refuseNoBlob(file);
  const [, others] = splitOptions(options);
  const channel = await connectNode(directory, { ...others, restore: file });
  await channel.close();
}
