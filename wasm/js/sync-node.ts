/** `siltdb/sync` in Node: a store in a directory, answering at once. */

import type { CodecOptions } from './codec.js';
import { giveUp, type NodeOptions, storageNode } from './connect-node.js';
import { Engine } from './engine.js';
import { refuse } from './error.js';
import { sourceOf } from './owner.js';
import { splitOptions } from './scope.js';
import { type SiltSync, openOver } from './sync-client.js';

export * from './sync-exports.js';
export type { NodeOptions } from './connect-node.js';

/** Opens the store in a directory, or creates one. Nobody else can write to it meanwhile. */
export function openSync<K = string, V = any>(
  directory: string,
  options: Omit<NodeOptions, 'restore'> & CodecOptions<K, V> = {},
): SiltSync<K, V> {
  const [codecs, others] = splitOptions(options);
  const { storage, engine } = storageNode(directory, others);
  try {
    return openOver<K, V>(storage, { ...engine, ...codecs });
  } catch (error) {
    giveUp(storage);
    throw error;
  }
}

/** Makes the store of a directory that has none yet out of the bytes of a `.silt` file. */
export function importFileSync(
  directory: string,
  snapshot: Uint8Array,
  options: NodeOptions = {},
): void {
  if (!(snapshot instanceof Uint8Array)) refuse('a snapshot is a Uint8Array');
  const [, others] = splitOptions(options);
  const { storage } = storageNode(directory, others);
  try {
    Engine.restore(storage, sourceOf(snapshot));
  } catch (error) {
    giveUp(storage);
    throw error;
  }
  void storage.shut?.();
}
