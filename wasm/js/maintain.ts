/** Upkeep of a store: compaction and space. */

import { checkCount, checkFunction, checkOptions, checkSignal } from './check.js';
import type { StorageInfo } from './figures.js';
import { aborted } from './scan.js';
import type { Session } from './session.js';
import { decodeCompactStep, decodeJson, encodeCompactStep, encodePlain, STATS } from './wire.js';

/** How to compact. */
export interface CompactOptions {
  /** Ends it after the step that runs, with `SILT_ABORTED`; what is done stays. */
  signal?: AbortSignal | undefined;
  /** Is told of every step, in bytes. The next one waits for the promise that it may return. */
  onProgress?: ((progress: { done: number; total: number }) => void | Promise<void>) | undefined;
  /** Bytes of a step: reads and writes of others come between two. 1 MiB unless given. */
  stepBytes?: number | undefined;
}

/** What a compaction did. */
export interface CompactReport {
  /** Bytes of the files before. */
  before: number;
  /** The same after. */
  after: number;
  /** Milliseconds that it took. */
  ms: number;
}

/** Compacts step by step. */
export async function compactStore(
  session: Session,
  options: CompactOptions,
): Promise<CompactReport> {
  const { signal, onProgress } = checkOptions(options, 'signal onProgress stepBytes');
  checkSignal(signal);
  if (onProgress !== undefined) checkFunction(onProgress, 'onProgress');
  const budget = checkCount(options.stepBytes, 1 << 20, 'stepBytes');
  const size = async () => {
    const stats = await session.request((w) => encodePlain(w, STATS), decodeJson);
    return (stats as { fileBytes: number }).fileBytes;
  };
  const began = performance.now();
  const before = await size();
  for (;;) {
    if (signal?.aborted) throw aborted(signal);
    const { more, done, total } = await session.request(
      (w) => encodeCompactStep(w, budget),
      decodeCompactStep,
    );
    await onProgress?.({ done, total });
    if (!more) break;
  }
  return { before, after: await size(), ms: performance.now() - began };
}

/** Space as the browser tells it, or the host where there is none. */
export async function readStorage(session: Session): Promise<StorageInfo> {
  const storage = globalThis.navigator?.storage;
  if (!storage?.estimate) return session.call('storage') as Promise<StorageInfo>;
  const [{ usage = 0, quota = 0 }, persisted] = await Promise.all([
    storage.estimate(),
    storage.persisted(),
  ]);
  return { usage, quota, persisted };
}
