/** A client's way to the worker that runs its store, or leads to the one that does. */

import { cannot, closed, SiltError } from './error.js';
import type { Line } from './line.js';
import { fullError } from './plain-error.js';
import { copyOf, moved, spend } from './spare.js';
import { storesFolder } from './stores.js';
import { gone, randomNumber } from './tabs.js';
import {
  type Answer, type Channel, type ChannelEvent, type ConnectOptions, type FromWorker,
  type PlainOptions, type Port, type Sent, type ToWorker, type WorkerModule,
} from './transport.js';

/** A worker that dies so often without an answer between is not started again. */
const DEATHS_MAX = 3;
/** How many of these a worker costs that has not even begun. */
const SILENT_DEATHS = 2;
/** How long a worker may take to begin, and later to answer at all. */
const START_MS = 10_000;
const ANSWER_MS = 60_000;
/** In how many steps that time is counted. */
const STEPS = 4;
/** So many more when the worker has said that it is to be busy. */
const BUSY_STEPS = 60;
/** The next worker is started after so long, for the first death without an answer. */
const PAUSE_MS = 100;

interface Unanswered {
  message: Extract<ToWorker, { n: number }>;
  resolve(answer: any): void;
  reject(error: SiltError): void;
}

/** Opens a store by name. */
export async function connect(name: string, options: ConnectOptions): Promise<Channel> {
  // Browsers take long over the first file they are asked for: they begin while the worker starts.
  storesFolder().catch(() => {});
  const channel = new WorkerChannel(name, options);
  await channel.opened;
  return channel;
}

/** Options without what cannot cross threads. */
function plain(options: ConnectOptions): PlainOptions {
  const { worker, now, random, wasm, ...rest } = options;
  return { ...rest, wasm: wasm instanceof URL ? `${wasm}` : wasm };
}

class WorkerChannel implements Channel {
  readonly opened: Promise<void>;
  readonly #name: string;
  readonly #options: ConnectOptions;
  readonly #client = randomNumber();
  readonly #unanswered = new Map<number, Unanswered>();
  readonly #listeners = new Set<(event: ChannelEvent) => void>();
  /** What happened until it was open, told to everyone who listens. */
  readonly #early: ChannelEvent[] = [];
  #numbers = 0;
  /** The last seq that a reply told. */
  #seq = 0;
  #port: Port<FromWorker, ToWorker> | undefined;
  #worker: Worker | undefined;
  /** A quicker way to the same worker, where the page may have one. */
  #line: Line | undefined;
  #isOpen = false;
  #deaths = 0;
  /** The page is put away. */
  #frozen = false;
  /** Where it is kept, if that is known. */
  #home: string | undefined;
  /** The worker has said that it lives. */
  #begun = false;
  /** Steps since it has said anything. */
  #silent = 0;
  #watching: ReturnType<typeof setTimeout> | undefined;
  #closing: Promise<void> | undefined;
  #closed: SiltError | undefined;
  #whenClosed: (() => void) | undefined;
  #settleOpen!: { resolve(): void; reject(e: SiltError): void };
  readonly #page = new AbortController();

  constructor(name: string, options: ConnectOptions) {
    this.#name = name;
    this.#options = options;
    this.#home = options.backend;
    this.opened = new Promise((resolve, reject) => (this.#settleOpen = { resolve, reject }));
    this.#watchPage();
    this.#start();
  }

  send(request: Uint8Array): Promise<Uint8Array> {
    return this.#ask({ t: 'send', n: 0, b: request }) as Promise<Uint8Array>;
  }

  call(method: string): Promise<unknown> {
    return this.#ask({ t: 'call', n: 0, m: method });
  }

  #ask(message: Unanswered['message']): Promise<unknown> {
    if (this.#closed || this.#closing) return Promise.reject(this.#closed ?? closed());
    message.n = this.#numbers += 1;
    return new Promise((resolve, reject) => {
      this.#unanswered.set(message.n, { message, resolve, reject });
      if (message.t === 'call') this.#port?.postMessage(message);
      else this.#send(message);
    });
  }

  #send(message: Sent): void {
    // Where nothing else is under way, nothing is overtaken.
    const told = this.#unanswered.size === 1 && this.#line?.ask(message);
    if (told === true) return;
    if (told) return this.#answer(told);
    // What moves is a copy: requests may have to be sent again.
    const b = copyOf(message.b);
    this.#port?.postMessage({ ...message, b }, moved(b));
  }

  onEvent(listen: (event: ChannelEvent) => void): () => void {
    this.#listeners.add(listen);
    for (const event of this.#early) listen(event);
    return () => this.#listeners.delete(listen);
  }

  close(): Promise<void> {
    this.#closing ??= new Promise<void>((resolve) => {
      this.#whenClosed = resolve;
      if (this.#closed) resolve();
      else this.#port?.postMessage({ t: 'close' });
    });
    return this.#closing;
  }

  #start(): void {
    if (this.#closed || this.#frozen || this.#port) return;
    let worker: Worker;
    const { worker: given } = this.#options;
    try {
      const { serve } = given as Partial<WorkerModule>;
      if (serve) return this.#attach(serve());
      worker = typeof given === 'function' ? given() : new Worker(given as URL, { type: 'module' });
    } catch (e) {
      return this.#lost(`${e}`);
    }
    worker.onerror = (event) => {
      // Before it says anything: its script cannot be loaded, or the engine cannot start.
      if (this.#worker !== worker || this.#begun) return;
      this.#lost(event.message || 'no script');
    };
    this.#worker = worker;
    const port = worker as Port<FromWorker, ToWorker>;
    this.#attach(port);
    // Without it all goes by message.
    if (globalThis.crossOriginIsolated) {
      import('./line.js').then(({ Line }) => {
        if (this.#port === port) this.#line = new Line(port);
      }).catch(() => {});
    }
  }

  /** The worker has not begun; the first one is the last one then. */
  #lost(why: string): void {
    this.#died(why, this.#isOpen ? 1 : Infinity);
  }

  /**
   * A worker that says nothing is ended, which frees the store for others. Counts in steps, so
   * that a page that slept does not take its sleep for the worker's.
   */
  #watch(port: Port<FromWorker, ToWorker>): void {
    clearTimeout(this.#watching);
    const { startTimeoutMs = START_MS, answerTimeoutMs = ANSWER_MS } = this.#options;
    const ms = this.#begun ? answerTimeoutMs : startTimeoutMs;
    if (ms === Infinity) return;
    this.#watching = setTimeout(() => {
      if ((this.#silent += 1) >= STEPS) {
        this.#died('it is silent', this.#begun ? 1 : SILENT_DEATHS);
        return;
      }
      if (this.#begun) port.postMessage({ t: 'ping' });
      this.#watch(port);
    }, ms / STEPS);
  }

  /** Ends the worker. */
  #stop(): void {
    clearTimeout(this.#watching);
    this.#port?.terminate?.();
    this.#port = this.#line = undefined;
  }

  /** Talks to a worker, a new one or the one after it. */
  #attach(port: Port<FromWorker, ToWorker>): void {
    this.#port = port;
    port.onmessage = ({ data }) => {
      if (this.#port !== port) return;
      this.#silent = 0;
      this.#hear(data, port);
    };
    port.addEventListener('messageerror', () => {
      if (this.#port !== port) return;
      this.#end(new SiltError('SILT_IO', 'the worker cannot be read'));
    });
    this.#begun = false;
    this.#silent = 0;
    this.#watch(port);
    const options = plain(this.#options);
    if (this.#isOpen) delete options.restore;
    try {
      port.postMessage({ t: 'open', name: this.#name, client: this.#client, options });
    } catch (e) {
      this.#end(cannot('open the store', e));
    }
    for (const { message } of this.#unanswered.values()) {
      // A copy, again: what an engine of this thread has its memory comes back.
      port.postMessage(
        message.t === 'send' ? { ...message, b: copyOf(message.b), again: this.#seq } : message,
      );
    }
    if (this.#closing) port.postMessage({ t: 'close' });
  }

  #hear(message: FromWorker, port: Port<FromWorker, ToWorker>): void {
    switch (message.t) {
      case 'alive':
        this.#begun = true;
        this.#watch(port);
        if (message.lock === undefined) break;
        void gone(message.lock).then(() => {
          if (this.#port === port) this.#died('it ended');
        });
        break;
      case 'opened':
        this.#isOpen = true;
        this.#settleOpen.resolve();
        break;
      case 'failed':
        this.#end(fullError(message.e));
        break;
      case 'event':
        this.#tell(message.e);
        break;
      case 'busy':
        this.#silent = -BUSY_STEPS;
        break;
      case 'closed':
        this.#end(closed());
        break;
      default:
        // To a pong nobody waits.
        this.#answer(message as Answer);
    }
  }

  #answer(message: Answer): void {
    const waiting = this.#unanswered.get(message.n);
    if (!waiting) return;
    this.#unanswered.delete(message.n);
    this.#deaths = 0;
    if (message.t === 'reply') {
      this.#seq = message.s;
      const { b } = waiting.message as Sent;
      moved(b).concat(message.m ?? []).forEach(spend);
      waiting.resolve(message.b);
    } else if (message.t === 'result') waiting.resolve(message.v);
    else waiting.reject(fullError(message.e));
  }

  /** Another worker takes its place, and is told what is unanswered. */
  #died(why: string, deaths = 1): void {
    if (this.#closed) return;
    if (this.#closing && this.#unanswered.size === 0) {
      this.#end(closed());
      return;
    }
    this.#deaths += deaths;
    if (this.#deaths > DEATHS_MAX) {
      const code = this.#isOpen ? 'SILT_CRASHED' : 'SILT_NOT_SUPPORTED';
      this.#end(new SiltError(code, `the worker does not run: ${why}`));
      return;
    }
    this.#stop();
    if (this.#deaths === 1) this.#start();
    else setTimeout(() => this.#start(), PAUSE_MS * this.#deaths);
  }

  #tell(event: ChannelEvent): void {
    if (!this.#isOpen) this.#early.push(event);
    if ('to' in event) this.#home = event.to;
    for (const listen of [...this.#listeners]) {
      try {
        listen(event);
      } catch (e) {
        reportError(e);
      }
    }
  }

  #end(error: SiltError): void {
    if (this.#closed) return;
    this.#closed = error;
    this.#stop();
    this.#page.abort();
    for (const { reject } of this.#unanswered.values()) reject(error);
    this.#unanswered.clear();
    this.#settleOpen.reject(error);
    this.#tell({ type: 'closed' });
    this.#whenClosed?.();
  }

  /** A page that is put away gives its files to others, and asks for them when it comes back. */
  #watchPage(): void {
    const { document } = globalThis;
    if (!document) return;
    const { signal } = this.#page;
    const turn = (freeze: boolean) => {
      const was = this.#frozen;
      // What is in memory would be gone.
      this.#frozen = freeze && this.#home !== 'memory';
      if (this.#frozen === was) return;
      if (!this.#worker && this.#port) this.#port.postMessage({ t: freeze ? 'freeze' : 'thaw' });
      // Frozen with its page, before it could give lock and files back. What is unanswered is put
      // to the next one.
      else if (freeze) this.#stop();
      else this.#start();
    };
    addEventListener('pagehide', (e) => e.persisted && turn(true), { signal });
    addEventListener('pageshow', (e) => e.persisted && turn(false), { signal });
    document.addEventListener('freeze', () => turn(true), { signal });
    document.addEventListener('resume', () => turn(false), { signal });
  }
}
