/** `siltdb/level` in Node: a store as an abstract-level 3 database. */

import { connectNode } from './connect-node.js';
import { engineOptionsOf } from './engine-options.js';
import { SiltLevelBase, type SiltLevelOptions } from './level-base.js';
import { LocalSession } from './local-session.js';
import { MemoryStorage } from './memory.js';
import type { OpenOptions } from './node.js';

/** An abstract-level database on a store in a directory. */
export class SiltLevel<K = string, V = string> extends SiltLevelBase<OpenOptions, K, V> {
  constructor(directory: string, options?: SiltLevelOptions<OpenOptions, K, V>) {
    super(directory, options, { getSync: true });
  }

  /** What is in memory is there until this object is gone, however often it is opened. */
  readonly #memory = new MemoryStorage();

  /** @internal */
  protected override async reach(directory: string, options: OpenOptions): Promise<LocalSession> {
    // Those of others are theirs: hooks may look for them.
    const own = engineOptionsOf(options, ' backend wasm');
    const memory = options.backend === 'memory' ? { storage: this.#memory } : {};
    return new LocalSession(await connectNode(directory, { ...own, ...memory }));
  }
}
