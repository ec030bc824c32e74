/** The change feed: commits of this tab and all others, from any retained moment, and on. */

import { expiryOf } from './reads.js';
import { aborted } from './scan.js';
import type { Range, Scope } from './scope.js';
import { dateOfSeq, keyOf, rangeBytes, seqOf } from './scope.js';
import type { Session } from './session.js';
import { decodeChanges, encodeChanges } from './wire.js';

/** What to watch. */
export interface WatchOptions<K> extends Range<K> {
  /**
   * Begin with the commits after this one: the seq of a change whose `last` is true. Those after
   * the call unless given. `SILT_HISTORY_GONE` if the store no longer holds them.
   */
  since?: number | Date | undefined;
  /** End instead of waiting for more. */
  live?: boolean | undefined;
  /** Ends the watching. */
  signal?: AbortSignal | undefined;
}

/** One key that a commit has changed. */
export interface Change<K, V> {
  /** The commit; several changes of one batch have the same. */
  seq: number;
  /** Its time. */
  time: Date;
  key: K;
  type: 'set' | 'delete';
  /** Undefined for a delete. */
  value: V | undefined;
  expires: Date | undefined;
  /** Whether it is the last one of its commit in this range: then go on `since` its seq. */
  last: boolean;
}

const CHUNK_RECORDS = 4096;
const CHUNK_BYTES = 512 << 10;

/** Resolves when a commit after `seq` is told, or the watching has to end. */
function commitAfter(session: Session, told: { seq: number; closed: boolean }, seq: number,
  signal: AbortSignal | undefined): Promise<void> {
  if (told.seq > seq || told.closed || signal?.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      stop();
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const stop = session.onEvent((event) => {
      if (event.type === 'closed' || event.type === 'role' || event.type === 'change') done();
    });
    signal?.addEventListener('abort', done);
  });
}

/** Yields changes; see `Silt.watch`. */
export function watch<K, V>(
  session: Session,
  scope: Scope<K, V>,
  options: WatchOptions<K>,
): AsyncGenerator<Change<K, V>, void, void> {
  const range = rangeBytes(scope, options);
  const { since } = options;
  let start: Promise<number>;
  if (since === undefined) {
    // Asked for here, so that every later call of this client is among the changes.
    const opened = session.openView();
    session.closeView(opened.moment).catch(() => {});
    start = opened.seq;
  } else start = Promise.resolve(seqOf(since));
  // Whoever iterates hears of a failure.
  start.catch(() => {});
  return follow(session, scope, range, start, options);
}

async function* follow<K, V>(
  session: Session,
  scope: Scope<K, V>,
  range: ReturnType<typeof rangeBytes>,
  start: Promise<number>,
  { live, signal }: WatchOptions<K>,
): AsyncGenerator<Change<K, V>, void, void> {
  const told = { seq: 0, closed: session.closed };
  const stop = session.onEvent((event) => {
    // After a change of leader anything may have been missed.
    if (event.type === 'role') told.seq = Infinity;
    else if (event.type === 'change') told.seq = Math.max(told.seq, event.seq);
    else if (event.type === 'closed') told.closed = true;
  });
  try {
    let cursor = await start;
    for (;;) {
      if (signal?.aborted) throw aborted(signal);
      if (told.closed) return;
      if (told.seq === Infinity) told.seq = 0;
      const { next, more, changes } = await session.request(
        (w) => encodeChanges(w, cursor, CHUNK_RECORDS, CHUNK_BYTES, range),
        decodeChanges,
      );
      for (let at = 0; at < changes.length; at += 1) {
        const change = changes[at] as (typeof changes)[number];
        const { seq, key, value, expires } = change;
        yield {
          seq,
          time: dateOfSeq(seq),
          key: keyOf(scope, key),
          type: value ? 'set' : 'delete',
          value: value && scope.values.decode(value),
          expires: expiryOf(expires),
          last: changes[at + 1]?.seq !== seq,
        };
      }
      cursor = Math.max(cursor, next);
      if (more) continue;
      if (live === false) return;
      await commitAfter(session, told, cursor, signal);
    }
  } finally {
    stop();
  }
}
