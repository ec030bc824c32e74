/**
 * A line between a page and its worker: memory that both share, where the page's headers allow
 * such (it is cross-origin isolated).
 *
 * To wake the other thread takes most of the time of a message. Whoever awaits one answer after the
 * other has a worker that is awake already, and asks it here: each side looks until the other has
 * written, which takes a few microseconds. One request at a time, while no other is under way, so
 * that nothing overtakes anything; all else goes by message.
 */

import {
  ASKED, FREE, LEFT, LineMemory, LOOKS, MEMORY_BYTES, STATE, TAKEN, TOLD,
} from './line-memory.js';
import type { Answer, FromWorker, Port, Sent, ToWorker } from './transport.js';

/** How long the page looks for its request to be taken, and for the reply of one that was. */
const LOOK_MS = 0.1;
const REPLY_MS = 0.5;
/** After so long a message is awaited, in which the page does what else it has to do. */
const TURN_MS = 8;
/** How many looks are not worth to ask for the time. */
const LOOKS_A_TIME = 100;
/** So many times are past that, unless the clock stands, as it does in some browsers. */
const TIMES_MAX = 4000;

/** The page's end. */
export class Line {
  readonly #memory: LineMemory;
  #turned = 0;

  constructor(worker: Port<FromWorker, ToWorker>) {
    const memory = new SharedArrayBuffer(MEMORY_BYTES);
    this.#memory = new LineMemory(memory);
    worker.postMessage({ t: 'line', memory });
  }

  /**
   * Asks the worker, if it looks: gives its reply, or true if that comes by message. False: it was
   * not asked. Nothing else may be under way.
   */
  ask({ n, b }: Sent): Answer | boolean {
    const { words } = this.#memory;
    if (Atomics.load(words, LOOKS) === 0) return false;
    const now = performance.now();
    if (now - this.#turned > TURN_MS) {
      this.#turned = now;
      return false;
    }
    if (!this.#memory.write(n, b)) return false;
    Atomics.store(words, STATE, ASKED);
    return this.#look(now) === TOLD ? this.#reply(n) : this.#leave(n);
  }

  /** What the line is at when the worker has answered, or when it is late. */
  #look(began: number): number {
    let wait = LOOK_MS;
    for (let times = 0; times < TIMES_MAX && performance.now() < began + wait; times += 1) {
      let state = FREE;
      for (let i = 0; i < LOOKS_A_TIME; i += 1) {
        state = Atomics.load(this.#memory.words, STATE);
        if (state === TOLD || state === FREE) return state;
      }
      if (state === TAKEN) wait = REPLY_MS;
    }
    return TAKEN;
  }

  #reply(n: number): Answer {
    const { number: s, bytes: b } = this.#memory.read();
    Atomics.store(this.#memory.words, STATE, FREE);
    return { t: 'reply', n, b, s };
  }

  /** Takes back what was asked, or leaves the answer to a message. */
  #leave(n: number): Answer | boolean {
    const { words } = this.#memory;
    if (Atomics.compareExchange(words, STATE, ASKED, FREE) === ASKED) return false;
    return Atomics.compareExchange(words, STATE, TAKEN, LEFT) === TOLD ? this.#reply(n) : true;
  }
}
