/** An engine in this thread, with the upkeep that it needs around its calls. */

import { type Commit, type Operation, packOperations, textsOf } from './batch.js';
import { Reader, Writer } from './bytes.js';
import { type Engine, newestOf, UNREAD } from './engine.js';
import { closed, SiltError } from './error.js';
import { type Coded, keyBytes, type Scope } from './scope.js';
import type { AsyncStorage } from './storage.js';
import type { Durability, Moment } from './wire.js';
import * as wire from './wire.js';

const CLIENT = 1;
/** After so many bytes of requests the engine does a step of its upkeep, however busy it is. */
const WORK_EVERY_BYTES = 8 << 10;
/** How much of it for a byte of requests: what was written is rewritten a few times at most. */
const WORK_FACTOR = 8;
/** A step of the upkeep between requests. */
const STEP_BYTES = 256 << 10;
/** Nobody waits once nobody has asked for anything for so long. */
const IDLE_MS = 250;

/** What owns an open engine. */
export class Owner {
  readonly engine: Engine;
  readonly storage: AsyncStorage;
  /** Is told of commits. */
  onCommit: ((seq: number) => void) | undefined;
  #told: number;
  #views = 0;
  #worked = 0;
  #requests = 0;
  #seen = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #closed = false;
  readonly #writer = new Writer();

  constructor(engine: Engine, storage: AsyncStorage) {
    this.engine = engine;
    this.storage = storage;
    this.#told = engine.lastSeq();
    this.#later(0);
  }

  /** Runs a whole request. `SILT_NOT_READY` if the storage has to do something first. */
  execute(request: Uint8Array): Uint8Array {
    if (this.#closed) throw closed();
    const reply = this.engine.execute(CLIENT, request);
    if (this.engine.position() < request.length) {
      this.prepare().catch(() => {});
      throw new SiltError('SILT_NOT_READY', 'the storage has to open files: await prepare()');
    }
    this.storage.rest?.();
    this.#worked += request.length;
    this.#requests += 1;
    if (this.#worked > WORK_EVERY_BYTES) {
      this.engine.work(this.#worked * WORK_FACTOR);
      this.#worked = 0;
    }
    const seq = this.engine.lastSeq();
    if (seq > this.#told) {
      this.#told = seq;
      this.onCommit?.(seq);
      this.#later(0);
    }
    return reply;
  }

  /** The newest value of a key. */
  get<K, V>(scope: Coded<K, V>, key: K): V | undefined {
    if (!this.#closed) {
      this.#requests += 1;
      const found = newestOf(this.engine, scope, key);
      if (found !== UNREAD) return found;
    }
    return this.getAt(scope, key, {});
  }

  /** The value of a key at a moment. */
  getAt<K, V>(scope: Coded<K, V>, key: K, moment: Moment): V | undefined {
    const raw = keyBytes(scope, key);
    const found = this.request((w) => wire.encodeGet(w, raw, moment), wire.decodeGet);
    return found && scope.values.decode(found.value);
  }

  /** Runs one operation. */
  request<T>(encode: (writer: Writer) => void, decode: (reader: Reader) => T): T {
    this.#writer.whole(encode);
    return decode(new Reader(this.execute(this.#writer.view())));
  }

  /** Commits a batch. */
  batch<K, V>(
    scope: Scope<K, V>,
    operations: readonly Operation<K, V>[],
    durability: Durability | undefined,
  ): Commit {
    const texts = textsOf(scope, operations);
    if (!texts) return this.write(packOperations(scope, operations), durability);
    return this.request((w) => wire.encodeSetMany(w, texts, durability), wire.decodeWrite);
  }

  /** The same of operations that are packed. */
  write(operations: readonly wire.WriteOperation[], durability: Durability | undefined): Commit {
    return this.request((w) => wire.encodeWrite(w, operations, durability), wire.decodeWrite);
  }

  /** Awaits what the storage does asynchronously. */
  async prepare(): Promise<void> {
    await this.storage.settle?.(this.engine.takeSynced());
    await this.storage.prepare?.();
  }

  #later(ms: number): void {
    if (this.#timer !== undefined || this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#idle();
    }, ms);
    // A program in Node may end meanwhile.
    (this.#timer as { unref?: () => void }).unref?.();
  }

  #idle(): void {
    if (this.#closed) return;
    const idle = this.#seen === this.#requests;
    this.#seen = this.#requests;
    try {
      const more = this.engine.work(STEP_BYTES, idle);
      const due = this.engine.tick();
      if (!this.storage.ready()) this.prepare().catch(() => {});
      if (more) this.#later(idle ? 0 : 1);
      else if (!idle) this.#later(due >= 0 ? Math.min(due + 1, IDLE_MS) : IDLE_MS);
      else if (due >= 0) this.#later(due + 1);
    } catch {
      // The next call that needs what failed meets it again and tells it.
    }
  }

  /** A number for a view. */
  nextView(): number {
    this.#views += 1;
    return this.#views;
  }

  /** Opens a view of the store as it is, or was at a moment. */
  openView(at: number | undefined): { view: number; seq: number } {
    const view = this.nextView();
    return { view, seq: this.request((w) => wire.encodeViewOpen(w, view, at), wire.decodeNumber) };
  }

  /** Closes a view; a closed store has closed its own. */
  closeView(view: number): void {
    if (!this.#closed) this.request((w) => wire.encodeViewClose(w, view), wire.decodeNothing);
  }

  /** A consistent copy of the store in pieces. */
  pieces(): Uint8Array<ArrayBuffer>[] {
    const pieces: Uint8Array<ArrayBuffer>[] = [];
    this.engine.snapshot((piece) => pieces.push(new Uint8Array(piece)));
    return pieces;
  }

  /** Closes the engine. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    try {
      this.engine.close();
    } finally {
      // Others may have the files from here on, where that does not take waiting.
      (this.storage as { shutSync?: () => void }).shutSync?.();
    }
  }
}

/** What gives the engine the bytes of a snapshot, piece by piece. */
export function sourceOf(snapshot: Uint8Array): (into: Uint8Array) => number {
  let at = 0;
  return (into) => {
    const piece = snapshot.subarray(at, at + into.length);
    into.set(piece);
    at += piece.length;
    return piece.length;
  };
}
