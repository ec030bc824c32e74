/**
 * `siltdb/sync` in dedicated workers: a store of this site, open in this worker alone and
 * answering at once. Over storage of one's own: `loadEngine`, then `openOver(storage)`.
 */

import { compileEngine, openStorage } from './backend.js';
import { checkWord } from './check.js';
import { type CodecOptions, markText } from './codec.js';
import { checkEngine, type EngineOptions } from './engine-options.js';
import { codeOf, SiltError } from './error.js';
import { splitOptions } from './scope.js';
import { openOver, type SiltSync } from './sync-client.js';
import { type Call, hold, storeName } from './tabs.js';
import type { HostedStorage } from './host.js';

export * from './sync-exports.js';

markText();

/** Times that opening is tried with more files ready. */
const ATTEMPTS_MAX = 16;

/** How a worker opens a store for itself. */
export interface WorkerOptions<K = any, V = any> extends EngineOptions, CodecOptions<K, V> {
  /** Where it is kept: in files, unless it is to vanish. IndexedDB cannot answer at once. */
  backend?: 'opfs' | 'memory' | undefined;
  /** The compiled engine: `siltdb.wasm` beside this script unless given. */
  wasm?: URL | string | WebAssembly.Module | BufferSource | undefined;
}

/**
 * Opens a store of this site, or creates one; `SILT_LOCKED` while it is open elsewhere. Files
 * open asynchronously in browsers: a call that needs one ends with `SILT_NOT_READY`, having done
 * nothing, and is made again after `await db.prepare()`. Between tasks files are made ready ahead.
 */
export async function open<K = string, V = any>(
  name: string, options: WorkerOptions<K, V> = {},
): Promise<SiltSync<K, V>> {
  const [codecs, others] = splitOptions(options);
  const { backend = 'opfs', wasm, ...engine } = others;
  checkEngine(engine);
  checkWord(backend, 'backend', 'opfs memory');
  const source = wasm instanceof URL ? String(wasm) : wasm;
  await compileEngine(source ?? new URL('./siltdb.wasm', import.meta.url));
  const held = await hold(storeName(name), { ifAvailable: true });
  if (!held) throw new SiltError('SILT_LOCKED', `${name} is open in another tab or worker`);
  const silence = refuseTabs(name);
  const release = () => {
    silence();
    held.release();
  };
  try {
    const { storage } = await openStorage(name, { backend }, () => {});
    return await over(storage, { ...engine, ...codecs }, release);
  } catch (e) {
    release();
    throw e;
  }
}

/** Tells tabs that would share the store that it is not to be had, until that is ended. */
function refuseTabs(name: string): () => void {
  const channel = new BroadcastChannel(storeName(name));
  const say = () => channel.postMessage({ t: 'exclusive' } satisfies Call);
  channel.onmessage = ({ data }: MessageEvent<Call>) => {
    if (data.t === 'hello') say();
  };
  say();
  return () => channel.close();
}

async function over<K, V>(
  storage: HostedStorage, options: EngineOptions & CodecOptions<K, V>, release: () => void,
): Promise<SiltSync<K, V>> {
  const shut = async () => storage.shut?.();
  // Files first, then the lock: whoever has the lock finds the files free.
  Object.assign(storage, { shutSync: () => void shut().catch(() => {}).then(release) });
  // So that the first write does not have to be made again.
  await storage.prepare?.();
  for (let attempt = 1; ; attempt += 1) {
    try {
      return openOver<K, V>(storage, options);
    } catch (e) {
      if (codeOf(e) !== 'SILT_NOT_READY' || attempt >= ATTEMPTS_MAX) {
        await shut().catch(() => {});
        throw e;
      }
    }
    await storage.prepare?.();
  }
}
