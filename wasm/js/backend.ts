/** Opening a store: where it can be kept, the engine over it, the host that runs it. */

import { codeOf, SiltError } from './error.js';
import { Engine, engineLoaded, loadEngine } from './engine.js';
import { Host, type HostedStorage, type HostSettings } from './host.js';
import { IdbStorage } from './idb.js';
import { MemoryStorage } from './memory.js';
import { OpfsStorage } from './opfs.js';
import type { Backend, ChannelEvent, PlainOptions } from './transport.js';

/** Times that opening is tried with more files ready. */
const ATTEMPTS_MAX = 16;
/** The same for a restore, whose files may have numbers far apart. */
const RESTORE_ATTEMPTS_MAX = 4096;

/** An open store. */
export interface OpenStore {
  host: Host;
  backend: Backend;
}

type Fallback = Extract<ChannelEvent, { type: 'fallback' }>;

const OPENERS: Record<string, (store: string) => Promise<HostedStorage>> = {
  opfs: (store) => OpfsStorage.open(store),
  idb: (store) => IdbStorage.open(store),
  memory: async () => new MemoryStorage(),
};

/** The kinds of storage to try, in order. */
function candidates(options: PlainOptions): Backend[] {
  const { backend = 'auto', fallback } = options;
  const first: Backend[] = backend === 'auto' ? ['opfs', 'idb'] : [backend];
  return fallback === 'memory' && backend !== 'memory' ? [...first, 'memory'] : first;
}

/**
 * Opens the first storage that the platform has. Only what it does not have, or does not allow,
 * is passed over, and told: any other failure is of a store that is there.
 */
export async function openStorage(
  store: string, options: PlainOptions, tell: (event: Fallback) => void,
): Promise<{ storage: HostedStorage; backend: Backend }> {
  const kinds = candidates(options);
  for (let i = 0; ; i += 1) {
    const backend = kinds[i] as Backend;
    try {
      const storage = await (OPENERS[backend] as (store: string) => Promise<HostedStorage>)(store);
      return { storage, backend };
    } catch (e) {
      const next = kinds[i + 1];
      const passed = ['SILT_NOT_SUPPORTED', 'SILT_DENIED'].includes(codeOf(e) ?? '');
      if (!passed || !next) throw e;
      tell({ type: 'fallback', from: backend, to: next, why: (e as Error).message });
    }
  }
}

/** Compiles the engine, as it streams in where the server names its type right. */
export async function compileEngine(source: URL | PlainOptions['wasm']): Promise<void> {
  if (engineLoaded()) return;
  try {
    if (source instanceof URL || typeof source === 'string') {
      loadEngine(await compileAt(source));
    } else if (source) {
      loadEngine(source);
    }
  } catch (e) {
    const name = (e as Error).name;
    const blocked = name === 'CompileError' || /wasm-unsafe-eval|Content Security/i.test(`${e}`);
    if (!blocked && codeOf(e)) throw e;
    const what = blocked ? 'WebAssembly is blocked or damaged' : 'siltdb.wasm cannot be loaded';
    throw new SiltError('SILT_WASM_BLOCKED', `${what}: ${e}`, { cause: e });
  }
}

async function compileAt(address: URL | string): Promise<WebAssembly.Module> {
  const response = await fetch(address);
  if (!response.ok) {
    throw new SiltError('SILT_WASM_BLOCKED', `${address}: ${response.status}`);
  }
  const type = response.headers.get('content-type') ?? '';
  if (type.startsWith('application/wasm')) return WebAssembly.compileStreaming(response);
  return WebAssembly.compile(await response.arrayBuffer());
}

/** Opens the engine; where it asks for a file that is not ready, it is tried again with it. */
async function withFiles<T>(
  storage: HostedStorage, run: () => T, attempts = ATTEMPTS_MAX,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return run();
    } catch (e) {
      if (codeOf(e) !== 'SILT_NOT_READY' || attempt >= attempts) throw e;
    }
    await storage.prepare?.();
  }
}

async function restore(storage: HostedStorage, snapshot: Blob): Promise<void> {
  const bytes = new Uint8Array(await snapshot.arrayBuffer());
  // A restore names its files only as it comes to them: each attempt has those of the one before.
  storage.reuse = true;
  await withFiles(storage, () => {
    let at = 0;
    Engine.restore(storage, (into) => {
      const piece = bytes.subarray(at, at + into.length);
      into.set(piece);
      at += piece.length;
      return piece.length;
    });
  }, RESTORE_ATTEMPTS_MAX);
  storage.reuse = false;
  await storage.settle?.(true);
}

/** Opens the store, with the engine compiled meanwhile. */
export async function openStore(
  store: string,
  options: PlainOptions,
  compiled: Promise<void>,
  settings: HostSettings,
  tell: (event: Fallback) => void,
): Promise<OpenStore> {
  // Both at once; a failure of the engine must not leave the files open.
  compiled.catch(() => {});
  const { storage, backend } = await openStorage(store, options, tell);
  try {
    await compiled;
    settings.busy?.();
    if (options.restore) await restore(storage, options.restore);
    const open = () => withFiles(storage, () => Engine.open(storage, options));
    const engine = await open();
    await storage.settle?.(true);
    return { host: new Host(engine, storage, { ...settings, reopen: open }), backend };
  } catch (e) {
    await storage.shut?.().catch(() => undefined);
    throw e;
  }
}
