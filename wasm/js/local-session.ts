/** The conversation of a client with an engine of its own thread: nobody gains by waiting. */

import { type Commit, commitLevel, type CommitOptions, type Operation } from './batch.js';
import type { Reader, Writer } from './bytes.js';
import { bytes, type ValueCodec } from './codec.js';
import type { LocalChannel } from './connect-node.js';
import { closed } from './error.js';
import { isNewest, type Scope } from './scope.js';
import { Session } from './session.js';
import type { Moment } from './wire.js';

const NONE = new Uint8Array(0);

/** One client of a store whose engine is in this thread. */
export class LocalSession extends Session {
  readonly #channel: LocalChannel;
  /** Whether an operation of this turn was done at once. */
  #asked = false;
  readonly #nextTurn = () => {
    this.#asked = false;
  };

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
    // Node keeps books of its own on what `queueMicrotask` is given.
    Promise.resolve().then(this.#nextTurn);
    return atOnce(() => this.requestSync(encode, decode));
  }

  /** Whatever else waits: to wait for a message costs more than to read the newest value. */
  override get<V>(key: Uint8Array, moment: Moment, values: ValueCodec<V>): Promise<V | undefined> {
    if (this.#asked || !isNewest(moment)) return super.get(key, moment, values);
    return atOnce(() => {
      this.#begin();
      return this.#channel.owner.get({ prefix: NONE, keys: bytes, values }, key);
    });
  }

  /** As `get`: it is packed for nobody else. */
  override async requestBatch<K, V>(
    scope: Scope<K, V>,
    operations: readonly Operation<K, V>[],
    options: CommitOptions,
  ): Promise<Commit> {
    const durability = commitLevel(options);
    this.#begin();
    return this.#channel.owner.batch(scope, operations, durability);
  }

  /** Asks for one operation, done at once and after all that was asked before. */
  requestSync<T>(encode: (writer: Writer) => void, decode: (reader: Reader) => T): T {
    this.#begin();
    return this.#channel.owner.request(encode, decode);
  }

  #begin(): void {
    if (this.closed) throw closed();
    this.send();
  }
}

/** Runs what is not waited for, where a promise is expected. */
function atOnce<T>(run: () => T): Promise<T> {
  try {
    return Promise.resolve(run());
  } catch (error) {
    return Promise.reject(error);
  }
}
