/** `siltdb/level` in browsers: a store as an abstract-level 3 database. */

import type { OpenOptions } from './index.js';
import { connect } from './connect.js';
import { engineOptionsOf } from './engine-options.js';
import { SiltLevelBase, type SiltLevelOptions } from './level-base.js';
import { Session } from './session.js';
import { HOST_OPTIONS } from './transport.js';

/** What bundlers find and copy. */
function worker(): Worker {
  return new Worker(new URL('./worker.js', import.meta.url), { type: 'module', name: 'siltdb' });
}

/** An abstract-level database on a store of this site. */
export class SiltLevel<K = string, V = string> extends SiltLevelBase<OpenOptions, K, V> {
  constructor(name: string, options?: SiltLevelOptions<OpenOptions, K, V>) {
    super(name, options);
  }

  /** @internal */
  protected override async reach(name: string, options: OpenOptions): Promise<Session> {
    // Those of others are theirs: hooks may look for them.
    const own = engineOptionsOf(options, `${HOST_OPTIONS} worker`);
    return new Session(await connect(name, { ...own, worker: options.worker ?? worker }));
  }
}
