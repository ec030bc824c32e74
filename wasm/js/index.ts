/** `siltdb` in browsers: stores of this site, shared by its tabs. */

import { type Silt, attach } from './client.js';
import type { CodecOptions } from './codec.js';
import { connect } from './connect.js';
import type { ConnectOptions } from './transport.js';
import { refuseNoBlob } from './error.js';
import { splitOptions } from './scope.js';
import { Session } from './session.js';

export * from './exports.js';
export { destroy, list } from './stores.js';
export type { ConnectOptions } from './transport.js';

/** Options of {@link open}. */
export interface OpenOptions<K = any, V = any> extends ConnectOptions, CodecOptions<K, V> {}

/** What bundlers find and copy: the worker, which in turn names the compiled engine. */
function worker(): Worker {
  return new Worker(new URL('./worker.js', import.meta.url), { type: 'module', name: 'siltdb' });
}

async function reach(name: string, options: ConnectOptions): Promise<Session> {
  return new Session(await connect(name, { ...options, worker: options.worker ?? worker }));
}

/** Opens a store of this site by its name, or creates one. */
export async function open<K = string, V = any>(
  name: string,
  options: OpenOptions<K, V> = {},
): Promise<Silt<K, V>> {
  const [codecs, others] = splitOptions(options);
  return attach<K, V>(await reach(name, others), codecs);
}

/**
 * Makes a store, of a name that has none yet, out of a `.silt` file. Where that was cut off, as when
 * the tab was closed or put away meanwhile, the next one ends with `SILT_NOT_EMPTY`: `destroy` what
 * is there of it first.
 */
export async function importFile(
  name: string,
  file: Blob,
  options: ConnectOptions = {},
): Promise<void> {
  refuseNoBlob(file);
  const [, others] = splitOptions(options);
  const session = await reach(name, { ...others, restore: file });
  await session.close();
}
