/** The conversation of a client with an engine of its own thread: nobody gains by waiting. */

import { Reader, Writer } from './bytes.js';
import type { LocalChannel } from './connect-node.js';
import { closed } from './error.js';
import { Session } from './session.js';

/** One client of a store whose engine is in this thread. */
export class LocalSession extends Session {
  readonly #channel: LocalChannel;
  readonly #writer = new Writer();
  /** Whether an operation of this turn was done at once. */
  #asked = false;

  constructor(channel: LocalChannel) {
    super(channel);
    this.#channel = channel;
  }

  /** The first operation of a turn is done at once; the others share what a message costs. */
  override request<T>(
    encode: (writer: Writer) => void,
    decode: (reader: Reader) => T,
  ): Promise<T> {
    if (this.#asked) return super.request(encode, decode);
    this.#asked = true;
    queueMicrotask(() => {
      this.#asked = false;
    });
    try {
      return Promise.resolve(this.requestSync(encode, decode));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** Asks for one operation, done at once and after all that was asked before. */
  requestSync<T>(encode: (writer: Writer) => void, decode: (reader: Reader) => T): T {
    if (this.closed) throw closed();
    this.send();
    this.#writer.whole(encode);
    return decode(new Reader(this.#channel.sendSync(this.#writer.take())));
  }
}
