/**
 * `siltdb/slim`: as `siltdb`, without addresses that a bundler would have to find. The caller
 * says where the worker and the compiled engine are.
 */

import { type Silt, attach } from './client.js';
import type { CodecOptions } from './codec.js';
import { connect } from './connect.js';
import type { ConnectOptions } from './transport.js';
import { refuse, refuseNoBlob } from './error.js';
import { splitOptions } from './scope.js';
import { Session } from './session.js';

export * from './exports.js';
export { destroy, list } from './stores.js';
export type { ConnectOptions } from './transport.js';

/** Where the parts of the package are, as the caller's bundler has put them. */
export type Parts = Required<Pick<ConnectOptions, 'worker' | 'wasm'>>;

/** Options of {@link open}. */
export type OpenOptions<K = any, V = any> = ConnectOptions & CodecOptions<K, V> & Parts;

async function reach(name: string, options: ConnectOptions): Promise<Session> {
  if (options.worker === undefined) refuse('options.worker is missing');
  return new Session(await connect(name, options));
}

/** Opens a store of this site by its name, or creates one. */
export async function open<K = string, V = any>(
  name: string,
  options: OpenOptions<K, V>,
): Promise<Silt<K, V>> {
  const [codecs, others] = splitOptions(options);
  return attach<K, V>(await reach(name, others), codecs);
}

/** Makes a store, of a name that has none yet, out of a `.silt` file. */
export async function importFile(
  name: string,
  file: Blob,
  options: ConnectOptions & Parts,
): Promise<void> {
  refuseNoBlob(file);
  const [, others] = splitOptions(options);
  const session = await reach(name, { ...others, restore: file });
  await session.close();
}
