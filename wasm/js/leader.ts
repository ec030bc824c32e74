/** The leader's side: serves the workers that follow it from its own host. */

import type { OpenStore } from './backend.js';
import { plainError } from './plain-error.js';
import {
  type Call, type FromLeader, gone, randomNumber, storeName, type ToLeader,
} from './tabs.js';
import type { Answer, ChannelEvent, HostInfo, ToWorker } from './transport.js';
import type { Reply } from './host.js';

/** What a client asks for beside requests. */
async function callHost(
  store: OpenStore, role: HostInfo['role'], method: string,
): Promise<unknown> {
  switch (method) {
    case 'info':
      return {
        backend: store.backend, role, persistent: store.backend !== 'memory',
      } satisfies HostInfo;
    case 'export':
      return store.host.exclusively((engine) => {
        const parts: BlobPart[] = [];
        engine.snapshot((bytes) => parts.push(bytes.slice()));
        return new Blob(parts, { type: 'application/octet-stream' });
      });
    case 'storage': {
      const { usage = 0, quota = 0 } = (await navigator.storage?.estimate?.()) ?? {};
      return { usage, quota, persisted: (await navigator.storage?.persisted?.()) ?? false };
    }
    case 'persist':
      // Only a page may ask for it.
      return (await navigator.storage?.persisted?.()) ?? false;
    default:
      throw new TypeError(`the host has no method ${method}`);
  }
}

/**
 * Has the store answer a message: of one of the engine's clients, sent by the one of this number.
 * What can be answered at once is.
 */
export function answer(
  store: OpenStore, role: HostInfo['role'], client: number, sender: number,
  message: Extract<ToWorker, { n: number }>, say: (answer: Answer) => void,
): void {
  const { n } = message;
  const fail = (e: unknown) => say({ t: 'error', n, e: plainError(e) });
  if (message.t === 'call') {
    callHost(store, role, message.m).then((v) => say({ t: 'result', n, v }), fail);
    return;
  }
  const reply = store.host.handle(client, message.b, sender, n, message.again);
  const tell = (made: Reply) => say({ t: 'reply', n, ...made });
  if (reply instanceof Promise) reply.then(tell, fail);
  else tell(reply);
}

/** Serves followers as long as this worker leads. */
export class Leader {
  readonly #store: OpenStore;
  readonly #channel: BroadcastChannel;
  readonly #epoch = randomNumber();
  readonly #links = new Map<string, BroadcastChannel>();
  readonly #stop = new AbortController();
  /** Clients of the engine; the leader's own is 0. */
  #lastClient = 0;

  /** `exclusive`: it serves nobody, and says so. */
  constructor(name: string, store: OpenStore, exclusive: boolean) {
    this.#store = store;
    this.#channel = new BroadcastChannel(storeName(name));
    this.#channel.onmessage = ({ data }: MessageEvent<Call>) => {
      if (data.t !== 'hello') return;
      if (exclusive) this.#say({ t: 'exclusive' });
      else this.#link(data.link);
    };
    this.#say(exclusive ? { t: 'exclusive' } : { t: 'leader', epoch: this.#epoch });
  }

  #say(message: Call): void {
    this.#channel.postMessage(message);
  }

  /** Tells every follower, if there is one. */
  tell(event: ChannelEvent): void {
    if (this.#links.size > 0) this.#say({ t: 'event', e: event });
  }

  #link(name: string): void {
    if (this.#links.has(name)) return;
    const link = new BroadcastChannel(name);
    this.#links.set(name, link);
    this.#lastClient += 1;
    const client = this.#lastClient;
    let sender = 0;
    const say = (message: FromLeader) => {
      if (this.#links.has(name)) link.postMessage(message);
    };
    link.onmessage = ({ data }: MessageEvent<ToLeader>) => {
      if (data.t === 'whose') sender = data.client;
      else if (data.t === 'bye') this.#drop(name, client);
      // What it asked the leader before this one for comes again, with who asks.
      else if (sender) answer(this.#store, 'follower', client, sender, data, say);
    };
    say({ t: 'leader', epoch: this.#epoch });
    gone(name, { signal: this.#stop.signal }).then(() => this.#drop(name, client), () => {});
  }

  #drop(name: string, client: number): void {
    this.#links.get(name)?.close();
    if (this.#links.delete(name)) this.#store.host.dropClient(client);
  }

  /** Takes no more requests. Those that were taken are answered before the host is closed. */
  retire(): void {
    this.#channel.onmessage = null;
    for (const link of this.#links.values()) link.onmessage = null;
  }

  /** Ends the talk with everyone. */
  close(): void {
    this.#stop.abort();
    this.#channel.close();
    for (const link of this.#links.values()) link.close();
    this.#links.clear();
  }
}
