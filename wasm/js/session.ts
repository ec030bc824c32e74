/**
 * The conversation of a client with its host: calls of one microtask travel in one message.
 *
 * A message to a worker costs far more than the work it asks for, so what is asked for in one
 * turn is packed together. Order is kept: what was asked first is done first.
 */

import type { Commit, CommitOptions, Operation } from './batch.js';
import { commitLevel, packOperations, textsOf } from './batch.js';
import { Reader, Writer } from './bytes.js';
import type { ValueCodec } from './codec.js';
import { closed } from './error.js';
import type { Scope } from './scope.js';
import type { Channel, ChannelEvent } from './transport.js';
import type { Durability, Moment, RangeCheck, WriteOperation } from './wire.js';
import { decodeGet, decodeNothing, decodeNumber, decodeWrite } from './wire.js';
import {
  encodeGet, encodeSetMany, encodeViewClose, encodeViewOpen, encodeWrite,
} from './wire.js';

/** A message of this size goes off at once. */
const MESSAGE_BYTES_MAX = 1 << 20;

interface Waiting {
  decode(reader: Reader): unknown;
  resolve(answer: any): void;
  reject(error: unknown): void;
}

/** A view of the client: a number, chosen here, so that it is there before the host answers. */
export interface OpenView {
  /**
   * What reads through the view look at. Its seq is there once it is known: a host that has not
   * opened the view, having taken over from the one that had, opens it at that.
   */
  readonly moment: Moment;
  /** The seq it looks at. */
  readonly seq: Promise<number>;
}

/** One client of one store. */
export class Session {
  readonly channel: Channel;
  #writer = new Writer(1024);
  #waiting: Waiting[] = [];
  #views = 0;
  readonly #open = new Set<Moment>();
  #closed: Promise<void> | undefined;

  constructor(channel: Channel) {
    this.channel = channel;
    channel.onEvent((event) => {
      if (event.type === 'role') this.#openAgain();
    });
  }

  /** Whether the store was closed here. */
  get closed(): boolean {
    return this.#closed !== undefined;
  }

  /** Packs an operation into the next message, beside those of others. */
  request<T>(encode: (writer: Writer) => void, decode: (reader: Reader) => T): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      if (this.#closed) throw closed();
      if (this.#waiting.length === 0) queueMicrotask(() => this.send());
      this.#writer.whole(encode);
      this.#waiting.push({ decode, resolve, reject });
      if (this.#writer.length >= MESSAGE_BYTES_MAX) this.send();
    });
  }

  /** What a codec makes of the value of a key, if it has one. */
  get<V>(key: Uint8Array, moment: Moment, codec: ValueCodec<V>): Promise<V | undefined> {
    return this.request(
      (w) => encodeGet(w, key, moment),
      (r) => {
        const found = decodeGet(r);
        return found && codec.decode(found.value);
      },
    );
  }

  /** Commits operations together or not at all. */
  requestWrite(
    operations: readonly WriteOperation[],
    durability: Durability | undefined,
    checks?: readonly RangeCheck[],
  ): Promise<Commit> {
    return this.request((w) => encodeWrite(w, operations, durability, checks), decodeWrite);
  }

  /** The same of operations that are not packed yet. */
  async requestBatch<K, V>(
    scope: Scope<K, V>,
    operations: readonly Operation<K, V>[],
    options: CommitOptions,
  ): Promise<Commit> {
    const durability = commitLevel(options);
    // Before anything is packed: codecs of others may ask for something themselves.
    const texts = textsOf(scope, operations);
    if (!texts) return this.requestWrite(packOperations(scope, operations), durability);
    return this.request((w) => encodeSetMany(w, texts, durability), decodeWrite);
  }

  /** Sends what waits for the end of the turn. @internal */
  send(): void {
    const waiting = this.#waiting;
    if (waiting.length === 0) return;
    this.#waiting = [];
    this.channel.send(this.#writer.take()).then(
      (reply) => answer(waiting, new Reader(reply)),
      (error) => {
        for (const { reject } of waiting) reject(error);
      },
    );
  }

  /** A number for a view. */
  nextView(): number {
    return (this.#views += 1);
  }

  /** Opens a view of the store as it is after all that was asked for before. */
  openView(at?: number): OpenView {
    const view = this.nextView();
    const moment: Moment = { viewId: view };
    this.#open.add(moment);
    const seq = this.request((w) => encodeViewOpen(w, view, at), decodeNumber).then((seen) => {
      if (this.#open.has(moment)) moment.at = seen;
      return seen;
    });
    return { moment, seq };
  }

  /** There may be another host: it is to hold what the views look at, before it compacts. */
  #openAgain(): void {
    if (this.#closed) return;
    for (const { viewId, at } of this.#open) {
      // What cannot be opened is told to whoever reads through it.
      if (at !== undefined) {
        this.request((w) => encodeViewOpen(w, viewId as number, at), decodeNumber).catch(() => {});
      }
    }
  }

  /** Closes a view. */
  async closeView(moment: Moment): Promise<void> {
    this.#open.delete(moment);
    delete moment.at;
    await this.closeNumber(moment.viewId as number);
  }

  /** Closes a view that a scan has opened. */
  async closeNumber(view: number): Promise<void> {
    // A closed store has closed its views.
    if (!this.#closed) await this.request((w) => encodeViewClose(w, view), decodeNothing);
  }

  /** Calls a method of the host, after all that was asked for before. */
  async call(method: string): Promise<unknown> {
    if (this.#closed) throw closed();
    this.send();
    return this.channel.call(method);
  }

  /** Listens to what the host tells. Returns what ends it. */
  onEvent(listen: (event: ChannelEvent) => void): () => void {
    return this.channel.onEvent(listen);
  }

  /** Closes the store here, after all that was asked for before. */
  close(): Promise<void> {
    if (!this.#closed) {
      this.send();
      this.#closed = this.channel.close();
      this.#closed.catch(() => {});
    }
    return this.#closed as Promise<void>;
  }
}


function answer(waiting: readonly Waiting[], reader: Reader): void {
  for (const { decode, resolve, reject } of waiting) {
    try {
      resolve(decode(reader));
    } catch (error) {
      reject(error);
    }
  }
}
