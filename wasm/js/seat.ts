/** A client's worker: it leads the workers of a store, or follows the one that does. */

import { compileEngine, openStore, type OpenStore } from './backend.js';
import { checkWord } from './check.js';
import { checkEngine } from './engine-options.js';
import { closed, refuseNoBlob, SiltError } from './error.js';
import { answer, Leader } from './leader.js';
import { plainError } from './plain-error.js';
import { moved } from './spare.js';
import {
  type Call, type FromLeader, type Held, hold, linkName, locks, released, storeName, type ToLeader,
} from './tabs.js';
import {
  type Answer, type ChannelEvent, type FromWorker, HOST_OPTIONS, type PlainOptions,
  type Port, type Role, type ToWorker,
} from './transport.js';

type Asked = Extract<ToWorker, { n: number }>;

interface Unanswered {
  message: Asked;
  /** It was given to a host: whether that came to run it is not known when the host dies. */
  sent: boolean;
}

/** Serves a client of this thread, whose end it returns. What is said there is heard at once. */
export function serve(): Port<FromWorker, ToWorker> {
  const end = <In, Out>(other: () => Port<Out, In>): Port<In, Out> => ({
    onmessage: null,
    addEventListener() {},
    postMessage: (data) => other().onmessage?.({ data } as MessageEvent<Out>),
  });
  const here: Port<FromWorker, ToWorker> = end(() => there);
  const there: Port<ToWorker, FromWorker> = end(() => here);
  here.terminate = () => {
    here.onmessage = there.onmessage = null;
    seat.quit();
  };
  const seat = new Seat(there, here.terminate);
  return here;
}

/** Serves the client at the other end of a port; `die` ends this worker. */
export class Seat {
  readonly #port: Port<ToWorker, FromWorker>;
  readonly #die: () => void;
  #name = '';
  #client = 0;
  #options: PlainOptions = {};
  #lock = '';
  #alive: Held | undefined;
  #compiled: Promise<void> | undefined;
  readonly #unanswered = new Map<number, Unanswered>();
  #opened = false;
  #store: OpenStore | undefined;
  #role: Role = 'solo';
  #leader: Leader | undefined;
  #held: Held | undefined;
  #waiting = new AbortController();
  #channel: BroadcastChannel | undefined;
  #link: BroadcastChannel | undefined;
  #epoch = 0;
  /** The last seq that a reply told. */
  #seq = 0;
  /** Freezing, thawing and closing, one after the other. */
  #turns: Promise<void> = Promise.resolve();
  #idle: (() => void) | undefined;

  constructor(port: Port<ToWorker, FromWorker>, die: () => void) {
    this.#port = port;
    this.#die = die;
    port.onmessage = ({ data }) => this.#hear(data);
    // A message that cannot be read is one that would never be answered.
    port.addEventListener('messageerror', () => {
      this.#fail(new SiltError('SILT_NOT_SUPPORTED', 'the worker cannot read what it was sent'));
    });
  }

  #hear(message: ToWorker): void {
    switch (message.t) {
      case 'open':
        this.#turn(() => this.#open(message));
        break;
      case 'send':
      case 'call':
        this.#unanswered.set(message.n, { message, sent: 'again' in message });
        this.#give(message.n);
        break;
      case 'ping':
        this.#say({ t: 'pong' });
        break;
      case 'freeze':
        this.#turn(() => this.#leave());
        break;
      case 'thaw':
        this.#turn(async () => this.#takeSeat(await this.#askSeat()));
        break;
      case 'close':
        this.#turn(() => this.#close());
        break;
    }
  }

  /** Ends here and now: as the end of a worker does, where there is none. */
  quit(): void {
    this.#release();
    this.#alive?.release();
  }

  /** When others can have the store. */
  #released(): Promise<void> {
    this.#release();
    return released(storeName(this.#name), this.#lock);
  }

  #release(): void {
    const { host } = this.#store ?? {};
    host?.storage.refuse?.(closed());
    host?.close().catch(() => {});
    this.#leader?.close();
    this.#held?.release();
  }

  #turn(run: () => Promise<void>): void {
    this.#turns = this.#turns.then(run).catch((e: unknown) => this.#fail(e));
  }

  #say(message: FromWorker, transfer: Transferable[] = []): void {
    this.#port.postMessage(message, transfer);
  }

  #tell(event: ChannelEvent): void {
    this.#say({ t: 'event', e: event });
  }

  async #open({ name, client, options }: Extract<ToWorker, { t: 'open' }>): Promise<void> {
    // Refuses what is no name.
    storeName(name);
    checkEngine(options, HOST_OPTIONS);
    if (options.restore !== undefined) refuseNoBlob(options.restore);
    checkWord(options.backend, 'backend', 'auto opfs idb memory');
    checkWord(options.fallback, 'fallback', 'error memory');
    checkWord(options.multiTab, 'multiTab', 'auto exclusive');
    this.#name = name;
    this.#client = client;
    this.#options = options;
    this.#lock = linkName(name, client);
    const asked = Promise.all([hold(this.#lock), this.#askSeat()]);
    // Whether it leads or follows, it needs the engine.
    this.#compile().catch(() => undefined);
    const [alive, seat] = await asked;
    this.#alive = alive;
    this.#say({ t: 'alive', lock: locks() && this.#lock });
    await this.#takeSeat(seat);
  }

  /** The lock of the store if it is free, undefined if it is not; null where none is needed. */
  async #askSeat(): Promise<Held | undefined | null> {
    if (!locks() || this.#options.backend === 'memory') return null;
    return hold(storeName(this.#name), { ifAvailable: true });
  }

  async #takeSeat(held: Held | undefined | null): Promise<void> {
    const exclusive = this.#options.multiTab === 'exclusive';
    if (held === null) {
      await this.#lead('solo', true);
      return;
    }
    const { signal } = this.#waiting = new AbortController();
    if (held) {
      this.#held = held;
      await this.#lead(exclusive ? 'solo' : 'leader', exclusive);
    } else if (exclusive) {
      throw new SiltError('SILT_LOCKED', `${this.#name} is open in another tab or worker`);
    } else {
      this.#follow();
      hold(storeName(this.#name), { signal }).then((free) => {
        if (signal.aborted) return free?.release();
        // At once: what is to happen before it leads may be to close.
        this.#held = free;
        this.#turn(() => this.#succeed(signal));
      }, () => {});
    }
  }

  /** The leader is gone, and this worker is next. */
  async #succeed({ aborted }: AbortSignal): Promise<void> {
    if (aborted) return;
    this.#unfollow();
    await this.#lead('leader', false);
  }

  /** The engine, compiled from `siltdb.wasm` beside this script unless the client has another. */
  #compile(): Promise<void> {
    const source = this.#options.wasm ?? new URL('./siltdb.wasm', import.meta.url);
    this.#compiled ??= compileEngine(source);
    return this.#compiled;
  }

  async #lead(role: Role, exclusive: boolean): Promise<void> {
    const busy = () => this.#say({ t: 'busy' });
    const settings = { crashed: () => this.#crash(), busy };
    const tell = (event: ChannelEvent) => this.#tell(event);
    const store = await openStore(this.#name, this.#options, this.#compile(), settings, tell);
    delete this.#options.restore;
    this.#store = store;
    if (role !== 'solo' || this.#held) this.#leader = new Leader(this.#name, store, exclusive);
    store.host.onEvent((event) => {
      this.#tell(event);
      this.#leader?.tell(event);
    });
    this.#seated(role);
  }

  #seated(role: Role): void {
    this.#role = role;
    this.#tell({ type: 'role', role });
    if (!this.#opened) this.#say({ t: 'opened' });
    this.#opened = true;
    for (const n of [...this.#unanswered.keys()]) this.#give(n);
  }

  #follow(): void {
    const channel = new BroadcastChannel(storeName(this.#name));
    const hello = () => channel.postMessage({ t: 'hello', link: this.#lock } satisfies Call);
    channel.onmessage = ({ data }: MessageEvent<Call>) => {
      if (data.t === 'leader' && data.epoch !== this.#epoch) hello();
      else if (data.t === 'event') this.#tell(data.e);
      else if (data.t === 'exclusive' && !this.#opened) {
        this.#fail(new SiltError('SILT_LOCKED', `another tab has ${this.#name} for itself`));
      }
    };
    const link = new BroadcastChannel(this.#lock);
    link.onmessage = ({ data }: MessageEvent<FromLeader>) => {
      if (data.t === 'leader') this.#meet(data.epoch);
      else this.#answer(data);
    };
    this.#channel = channel;
    this.#link = link;
    hello();
  }

  /** There is a leader: it is given all that is unanswered. */
  #meet(epoch: number): void {
    if (epoch === this.#epoch) return;
    this.#epoch = epoch;
    this.#link?.postMessage({ t: 'whose', client: this.#client } satisfies ToLeader);
    this.#seated('follower');
  }

  #unfollow(): void {
    this.#link?.postMessage({ t: 'bye' } satisfies ToLeader);
    this.#channel?.close();
    this.#link?.close();
    this.#channel = this.#link = undefined;
    this.#epoch = 0;
  }

  /** Gives an unanswered message to whoever can answer it, if there is one by now. */
  #give(n: number): void {
    const entry = this.#unanswered.get(n);
    if (!entry) return;
    const { message, sent } = entry;
    const store = this.#store;
    if (!store && !(this.#link && this.#epoch)) return;
    entry.sent = true;
    if (sent && message.t === 'send') message.again = Math.max(message.again ?? 0, this.#seq);
    if (!store) return this.#link?.postMessage(message satisfies ToLeader);
    answer(store, this.#role, 0, this.#client, message, (told) => {
      // The next host answers what this one could not, unless there is none.
      if (told.t !== 'error' || this.#store === store) this.#answer(told);
    });
  }

  #answer(answer: Answer): void {
    const asked = this.#unanswered.get(answer.n)?.message;
    if (!asked) return;
    this.#unanswered.delete(answer.n);
    if (answer.t === 'result' && this.#role === 'follower') follower(answer.v);
    if (answer.t === 'reply' && asked.t === 'send') {
      this.#seq = answer.s;
      const m = moved(asked.b);
      this.#say({ ...answer, m }, [...moved(answer.b), ...m]);
    } else this.#say(answer);
    if (this.#unanswered.size === 0) this.#idle?.();
  }

  /** Gives files and lock back, for others or for a later time. */
  async #leave(): Promise<void> {
    this.#waiting.abort();
    this.#unfollow();
    const store = this.#store;
    const leader = this.#leader;
    // What comes from now on waits for the next host.
    this.#store = this.#leader = undefined;
    leader?.retire();
    try {
      await store?.host.close();
    } finally {
      leader?.close();
      this.#held?.release();
      this.#held = undefined;
    }
  }

  async #close(): Promise<void> {
    if (this.#unanswered.size > 0 && (this.#store || this.#link)) {
      // Later, for it may be this one that has to lead before they are answered.
      this.#idle = () => this.#turn(() => this.#close());
      return;
    }
    try {
      await this.#leave();
    } finally {
      await this.#released();
      this.#say({ t: 'closed' });
      this.#die();
    }
  }

  /** The engine is lost. The client starts another worker, where it can see that this one died. */
  #crash(): void {
    if (locks()) this.#die();
    else this.#fail(new SiltError('SILT_CRASHED', 'the engine stopped'));
  }

  #fail(thrown: unknown): void {
    const error = plainError(thrown);
    for (const n of this.#unanswered.keys()) this.#say({ t: 'error', n, e: error });
    this.#unanswered.clear();
    this.#idle?.();
    this.#waiting.abort();
    this.#unfollow();
    // Its own lock is held until the client, which is told, ends it: that could hear of the lock
    // before, and would take it for a death.
    void this.#released().then(() => this.#say({ t: 'failed', e: error }));
  }
}

/** What the leader says of itself is not so of who follows it. */
function follower(result: unknown): void {
  if (typeof result === 'object' && result && 'role' in result) result.role = 'follower';
}
