/** The worker's end of a line, see `line.ts`, and how long the worker looks there. */

import { ASKED, FREE, LineMemory, LOOKS, STATE, TAKEN, TOLD } from './line-memory.js';
import type { FromWorker, Port, Sent, ToWorker } from './transport.js';
import { GET } from './wire.js';

/**
 * Whoever waits for each value asks again at once. So many milliseconds after a get the worker does
 * not go to sleep: to wake it would take longer than what it is asked for.
 */
const AWAKE_MS = 0.1;
/** Whoever asks for more at a time has more to do with the answer, and needs its cores for it. */
const BRIEF_BYTES = 512;
/** Who asks again so soon asks one after the other: so long the worker looks for the next one. */
const SOON_MS = 2;
const LOOK_MS = 1;
/** After so long at the line, or when nothing was asked for so long, it hears what else there is. */
const TURN_MS = 1;
const QUIET_MS = 0.05;
/** So many looks in vain take longer than that, unless the clock stands, as in some browsers. */
const LOOKS_MAX = 5000;
/** So many requests by message while it looks: others have the cores, and it sleeps for so many. */
const VAIN_MAX = 4;
const SLEPT = 32;

export class LineEnd {
  readonly #memory: LineMemory;
  /** The number of the request that is to be answered here. */
  #taken = 0;

  constructor(memory: SharedArrayBuffer) {
    this.#memory = new LineMemory(memory);
  }

  /** Whether this end looks. What was asked just before it stopped is taken back by the page. */
  set looks(looks: boolean) {
    Atomics.store(this.#memory.words, LOOKS, Number(looks));
  }

  /** Takes what is asked, if something is. */
  take(): Sent | undefined {
    const { words } = this.#memory;
    if (Atomics.load(words, STATE) !== ASKED) return undefined;
    if (Atomics.compareExchange(words, STATE, ASKED, TAKEN) !== ASKED) return undefined;
    const { number: n, bytes: b } = this.#memory.read();
    this.#taken = n;
    return { t: 'send', n, b };
  }

  /** Leaves to a message what was taken and is not answered: the page is not to look for it. */
  leave(): void {
    // The page may have asked for something else since.
    if (this.#taken === 0) return;
    this.#taken = 0;
    Atomics.store(this.#memory.words, STATE, FREE);
  }

  /** Answers what was taken; false: this has to go by message. */
  answer(message: FromWorker): boolean {
    if (!('n' in message) || message.n !== this.#taken) return false;
    if (message.t === 'reply' && this.#memory.write(message.s, message.b)
      && Atomics.compareExchange(this.#memory.words, STATE, TAKEN, TOLD) === TAKEN) {
      this.#taken = 0;
      return true;
    }
    this.leave();
    return false;
  }
}

/**
 * What a worker hears and says, by message and at the line that its page may lay. As long as it is
 * asked for brief things, one after the other, it stays awake for the next one.
 */
export function attend(worker: Port<ToWorker, FromWorker>): Port<ToWorker, FromWorker> {
  const { port1, port2 } = new MessageChannel();
  let line: LineEnd | undefined;
  let until = 0;
  let asked = 0;
  let awake = false;
  /** Requests that came by message while it looked, one after the other; then below 0. */
  let vain = 0;
  /** The last request that was answered. */
  let answered = 0;
  const port: Port<ToWorker, FromWorker> = {
    onmessage: null,
    addEventListener: (type, listen) => worker.addEventListener(type, listen),
    postMessage: (message, transfer) => {
      if (message.t === 'reply') answered = message.n;
      if (!line?.answer(message)) worker.postMessage(message, transfer);
    },
  };
  /** After the store has answered, as far as it does so at once. */
  const hear = (event: { data: ToWorker }): void => {
    const { data } = event;
    port.onmessage?.(event as MessageEvent<ToWorker>);
    if (data.t !== 'send' || answered !== data.n) return;
    const now = performance.now();
    if (vain >= VAIN_MAX) vain = -SLEPT;
    if (line) until = vain >= 0 && now < asked + SOON_MS ? now + LOOK_MS : 0;
    else if (data.b[0] === GET && data.b.length <= BRIEF_BYTES) until = now + AWAKE_MS;
    asked = now;
  };
  const turn = (): void => {
    const began = performance.now();
    const end = Math.min(until, began + TURN_MS);
    let looks = LOOKS_MAX;
    for (let now = began; line && now < Math.min(end, Math.max(asked, began) + QUIET_MS);) {
      const data = line.take();
      if (data) {
        vain = 0;
        looks = LOOKS_MAX;
        hear({ data });
        // What waits for the platform.
        line.leave();
      } else if ((looks -= 1) === 0) break;
      now = performance.now();
    }
    awake = performance.now() < until;
    if (line) line.looks = awake;
    if (awake) port2.postMessage(0);
  };
  port1.onmessage = turn;
  worker.onmessage = (event) => {
    const { data } = event;
    if (data.t === 'line') line = new LineEnd(data.memory);
    else {
      if (awake || vain < 0) vain += 1;
      hear(event);
    }
    if (!awake) turn();
  };
  return port;
}
