/**
 * The names by which workers that share a store find each other, and what they say.
 *
 * The leader holds the Web Lock of the store, in its worker, so that lock and files go together
 * when it dies; the others wait for that lock. They find the leader by a BroadcastChannel of the
 * store and talk to it over one of their own. Each worker also holds a lock of its own: whoever
 * is granted that one knows that the worker is gone.
 */

import { refuse } from './error.js';
import type { ChannelEvent, FromWorker, ToWorker } from './transport.js';

/** On the channel of a store. */
export type Call =
  | { t: 'hello'; link: string }
  | { t: 'leader'; epoch: number }
  | { t: 'exclusive' }
  | { t: 'event'; e: ChannelEvent };

/** From a follower to the leader, on its own channel. */
export type ToLeader = Extract<ToWorker, { t: 'send' | 'call' }> | { t: 'bye' } | {
  t: 'whose';
  client: number;
};

/** From the leader to a follower, on the follower's channel. */
export type FromLeader =
  | Extract<FromWorker, { t: 'reply' | 'result' | 'error' }>
  | { t: 'leader'; epoch: number };

/** The lock of a store, and its channel; refuses what is no name. */
export function storeName(store: string): string {
  if (typeof store !== 'string') refuse('name a store');
  return `siltdb:${store}`;
}

/** A worker's own lock, and its channel to the leader. */
export function linkName(store: string, client: number): string {
  const random = crypto.getRandomValues(new Uint32Array(2));
  return `siltdb-link:${store}:${client}:${random.join('-')}`;
}

/** A number that no other has: of a client, of a time of leading. */
export function randomNumber(): number {
  const [high = 0, low = 0] = crypto.getRandomValues(new Uint32Array(2));
  return (high % 0x10000) * 0x100000000 + low;
}

/** Where there are no locks, a store is for one tab: the files themselves are exclusive. */
export function locks(): LockManager | undefined {
  return globalThis.navigator?.locks;
}

/** A lock that is held until it is released. */
export interface Held {
  release(): void;
}

/**
 * Asks for a lock and resolves when it is held, or with undefined if it was asked for only where it
 * is free, and is not. With a signal the wait can be given up; it then rejects.
 */
export async function hold(name: string, options: LockOptions = {}): Promise<Held | undefined> {
  const manager = locks();
  if (!manager) return { release: () => {} };
  return new Promise((resolve, reject) => {
    const held = (lock: Lock | null) => {
      if (!lock) return resolve(undefined);
      return new Promise<void>((release) => resolve({ release }));
    };
    manager.request(name, options, held).catch(reject);
  });
}

/** When whoever holds this lock is gone. */
export async function gone(name: string, options?: LockOptions): Promise<void> {
  (await hold(name, options))?.release();
}

/** So often it is asked whether a lock is free that was given back. */
const QUERIES_MAX = 20;

/**
 * When the lock of a store is no longer held by the thread that holds this lock of its own. It is
 * for a while after it was released, and may be though the wait for it was given up: it was granted
 * meanwhile.
 */
export async function released(store: string, own: string): Promise<void> {
  // What was released a moment ago is said to be so when the promises of this turn are settled.
  await undefined;
  for (let i = 0; i < QUERIES_MAX; i += 1) {
    const { held = [] } = await locks()?.query().catch(() => {}) ?? {};
    const by = (lock: string) => held.find(({ name }) => name === lock)?.clientId;
    if (!by(store) || by(store) !== by(own)) return;
  }
}
