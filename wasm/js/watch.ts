/** The change feed: commits of this tab and all others, from any retained moment, and on. */

import { type Version, versionOf } from './answers.js';
import { checkSignal } from './check.js';
import { aborted } from './scan.js';
import type { Range, Scope } from './scope.js';
import { keyOf, rangeBytes, seqOf } from './scope.js';
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

/** One key that a commit has changed; several changes of one batch have the same seq. */
export interface Change<K, V> extends Version<V> {
  /** What was set or deleted. */
  key: K;
  /** Whether it is the last one of its commit in this range: then go on `since` its seq. */
  last: boolean;
}

const CHUNK_RECORDS = 4096;
const CHUNK_BYTES = 512 << 10;

/** Yields changes; see `Silt.watch`. */
export function watch<K, V>(
  session: Session,
  scope: Scope<K, V>,
  options: WatchOptions<K>,
): AsyncGenerator<Change<K, V>, void, void> {
  const range = rangeBytes(scope, options, ' since live signal');
  const { since } = options;
  checkSignal(options.signal);
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
  { live = true, signal }: WatchOptions<K>,
): AsyncGenerator<Change<K, V>, void, void> {
  let cursor = 0;
  /** Something happened since the store was asked. */
  let news = false;
  let wake = () => {};
  const stop = session.onEvent((event) => {
    // After a change of leader anything may have been missed.
    if (event.type === 'change' && event.seq <= cursor) return;
    news = true;
    wake();
  });
  const end = () => wake();
  signal?.addEventListener('abort', end);
  try {
    cursor = await start;
    for (;;) {
      if (signal?.aborted) throw aborted(signal);
      news = false;
      const { next, more, changes } = await session.request(
        (w) => encodeChanges(w, cursor, CHUNK_RECORDS, CHUNK_BYTES, range),
        decodeChanges,
      );
      for (let at = 0; at < changes.length; at += 1) {
        const change = changes[at] as (typeof changes)[number];
        const last = changes[at + 1]?.seq !== change.seq;
        yield { ...versionOf(scope, change), key: keyOf(scope, change.key), last };
      }
      cursor = Math.max(cursor, next);
      if (live && !more && !news && !signal?.aborted) {
        await new Promise<void>((resolve) => (wake = resolve));
      }
      // Who does not wait is given all there is, or told why not.
      if (live ? session.closed : !more) return;
    }
  } finally {
    stop();
    signal?.removeEventListener('abort', end);
  }
}
