/**
 * `siltdb/slim`: as `siltdb`, without addresses that a bundler would have to find. The caller
 * says where the worker and the compiled engine are.
 */

import { type Silt, attach } from './client.js';
import type { CodecOptions } from './codec.js';
import { connect } from './connect.js';
import type { ConnectOptions } from './transport.js';
import { Session } from './session.js';

export * from './exports.js';
export { destroy, list } from './stores.js';
export type { ConnectOptions } from './transport.js';

/** Where the parts of the package are, as the caller's bundler has put them. */
export type Parts = Required<Pick<ConnectOptions, 'worker' | 'wasm'>>;

/** Options of {@link open}. */
export type OpenOptions<K = any, V = any> = ConnectOptions & CodecOptions<K, V> & Parts;

/** Opens a store of this site by its name, or creates one. */
export async function open<K = string, V = any>(
  name: string,
  options: OpenOptions<K, V>,
): Promise<Silt<K, V>> {
  const { keys, values, ...others } = options;
  const session = new Session(await connect(name, others));
  return attach<K, V>(session, { keys, values });
}

/** Makes a store, of a name that has none yet, out of a `.silt` file. */
export async function importFile(
  name: string,
  file: Blob,
  options: ConnectOptions & Parts,
): Promise<void> {
  const channel = await connect(name, { ...options, restore: file });
  await channel.close();
}
