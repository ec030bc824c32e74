/**
 * Runs an engine for clients: in a worker, for the tabs that follow it, and in Node.
 *
 * Requests are run in the order they came. What storage does asynchronously is awaited around
 * the engine; what is due later (syncs, compaction) is done between requests.
 */

import { closed, codeOf, SiltError } from './error.js';
import type { Engine } from './engine.js';
import { commitsOf, joined, type Note, numberOf, runRest } from './resolve.js';
import type { AsyncStorage } from './storage.js';
import type { ChannelEvent } from './transport.js';
import { mayFail } from './walk.js';

/** Housekeeping begins so long after the first request that may have left something to do. */
const HOUSEKEEPING_MS = 10;
/** Bytes that one step of compaction reads and writes, about; more, the more was asked for. */
const STEP_BYTES = 256 * 1024;
const STEP_BYTES_BUSY = 64 * 1024;
const STEP_BYTES_A_BYTE = 8;
/** Nobody waits once nobody has asked for anything for so long. */
const IDLE_MS = 250;
/** Changes are told at most this often. */
const TELL_MS = 4;

/** A storage with what sharing and IndexedDB need besides. */
export interface HostedStorage extends AsyncStorage {
  /** While true, files that are removed may be asked for again under their names. */
  reuse?: boolean;
  /** Whether something waits for `settle`. */
  dirty?(): boolean;
  reload?(): Promise<void>;
  refuse?(error: SiltError): void;
  note?(client: number, request: number, before: number): void;
  notes?(): Note[];
}

/** What a host needs to know besides. */
export interface HostSettings {
  /** Opens the engine again, over the same storage, after a failed settle. */
  reopen?: () => Promise<Engine>;
  /** Told before what may take long at a stretch. */
  busy?: () => void;
  /** The engine can do nothing more. */
  crashed?: (error: SiltError) => void;
}

/** An answer, and the last seq when it was made. */
export interface Reply {
  b: Uint8Array;
  s: number;
}

/** See the head of this file. */
export class Host {
  readonly storage: HostedStorage;
  #engine: Engine;
  readonly #settings: HostSettings;
  readonly #listeners = new Set<(event: ChannelEvent) => void>();
  /** What runs asynchronously; later requests wait for it. */
  #tail: Promise<unknown> | undefined;
  #settling: Promise<void> | undefined;
  #nextSettle: Promise<void> | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #telling: ReturnType<typeof setTimeout> | undefined;
  #told: number;
  /** Bytes of requests since the last step of housekeeping. */
  #asked = 0;
  #busyAt = 0;
  #refusing = false;
  /** Whose commits are under the last note. */
  #noted: number | undefined;
  /** Up to which seq requests that came again were answered, by client. */
  readonly #resolved = new Map<number, number>();
  #closed: Promise<void> | undefined;

  constructor(engine: Engine, storage: HostedStorage, settings: HostSettings = {}) {
    this.#engine = engine;
    this.storage = storage;
    this.#settings = settings;
    this.#told = engine.lastSeq();
    this.#keepHouseSoon();
  }

  /** Listens to commits. What is returned ends it. */
  onEvent(listen: (event: ChannelEvent) => void): () => void {
    this.#listeners.add(listen);
    return () => this.#listeners.delete(listen);
  }

  /**
   * Runs a request of a client of the engine. `sender` and `number` say whose it is; `again`: it
   * was sent to a host before, and what became of it is not known; the sender was answered up to
   * this seq. Where nothing is to be awaited, the reply is returned as it is.
   */
  handle(
    client: number, request: Uint8Array, sender: number, number: number, again?: number,
  ): Reply | Promise<Reply> {
    if (this.#closed) return Promise.reject(closed());
    const run = () => this.#begin(client, request, sender, number, again);
    if (this.#tail) return this.#enqueue(run);
    try {
      return run();
    } catch (e) {
      return Promise.reject(e);
    }
  }

  /** Runs what needs the engine alone, in its turn, and all of it durable before the answer. */
  exclusively<T>(run: (engine: Engine) => T): Promise<T> {
    if (this.#closed) return Promise.reject(closed());
    return this.#enqueue(async () => {
      // It cannot be stopped to open a file.
      await this.storage.prepare?.(true);
      this.#settings.busy?.();
      const result = run(this.#engine);
      await this.#settled();
      return result;
    });
  }

  /** Closes the views of a client. */
  dropClient(client: number): void {
    if (!this.#closed) this.#enqueue(async () => this.#engine.dropClient(client)).catch(() => {});
  }

  /** Finishes what was asked for, closes the store and gives its files back. */
  close(): Promise<void> {
    this.#closed ??= this.#enqueue(() => this.#close());
    return this.#closed;
  }

  async #close(): Promise<void> {
    clearTimeout(this.#timer);
    clearTimeout(this.#telling);
    try {
      await this.storage.prepare?.();
      this.#engine.close();
      await this.#settled();
    } finally {
      await this.storage.shut?.();
    }
  }

  #enqueue<T>(run: () => T | Promise<T>): Promise<T> {
    const result = (this.#tail ?? Promise.resolve()).then(run);
    const tail = result.catch(() => undefined).then(() => {
      if (this.#tail === tail) this.#tail = undefined;
    });
    this.#tail = tail;
    return result;
  }

  #begin(
    client: number, request: Uint8Array, sender: number, number: number, again: number | undefined,
  ): Reply | Promise<Reply> {
    this.#asked += request.length;
    if (again !== undefined) {
      const run = () => this.#beginAgain(client, request, sender, number, again);
      // Others wait for all of it, whatever in it is awaited.
      return this.#tail ? run() : this.#enqueue(run);
    }
    this.#note(request, sender, number);
    const reply = this.#execute(client, request, 0, []);
    return reply instanceof Uint8Array ? this.#done(reply) : reply.then((all) => this.#done(all));
  }

  async #beginAgain(
    client: number, request: Uint8Array, sender: number, number: number, again: number,
  ): Promise<Reply> {
    const notes = this.storage.notes?.() ?? [];
    const execute = (part: Uint8Array) => this.#execute(client, part, 0, []);
    const after = Math.max(again, this.#resolved.get(sender) ?? 0);
    const last = this.#engine.lastSeq();
    const commits = await commitsOf(execute, notes, sender, after, last);
    const under = numberOf(notes, sender, number);
    this.#noted = undefined;
    this.#note(request, sender, under);
    const [reply, own] = await runRest(execute, request, under, commits);
    const now = this.#engine.lastSeq();
    // Where some of it had to be committed, nothing of what comes after it was.
    this.#resolved.set(sender, now > last ? now : Math.max(after, own));
    return this.#done(reply);
  }

  /** Notes whose commits those are that follow, unless that is known, for the next host to tell. */
  #note(request: Uint8Array, sender: number, number: number): void {
    const fails = this.storage.note && mayFail(request);
    if (fails === undefined) return;
    if (fails || this.#noted !== sender) {
      this.storage.note?.(sender, number, this.#engine.lastSeq());
    }
    this.#noted = fails ? undefined : sender;
  }

  /** Runs all of a request, awaiting the storage where it has to be. */
  #execute(
    client: number, request: Uint8Array, from: number, parts: Uint8Array[],
  ): Uint8Array | Promise<Uint8Array> {
    for (let at = from; at < request.length; ) {
      parts.push(this.#guard(() => this.#engine.execute(client, request, at)));
      at = this.#engine.position();
      if (at < request.length) {
        const rest = Promise.resolve(this.storage.prepare?.())
          .then(() => this.#execute(client, request, at, parts));
        this.#hold(rest);
        return rest;
      }
    }
    this.storage.rest?.();
    return joined(parts);
  }

  /** Later requests wait for this one, unless it is one that waited itself. */
  #hold(work: Promise<unknown>): void {
    if (!this.#tail) this.#enqueue(() => work).catch(() => {});
  }

  #guard<T>(run: () => T): T {
    try {
      return run();
    } catch (e) {
      if (codeOf(e) === 'SILT_CRASHED') this.#settings.crashed?.(e as SiltError);
      throw e;
    }
  }

  #done(b: Uint8Array): Reply | Promise<Reply> {
    const reply = { b, s: this.#engine.lastSeq() };
    if (this.#timer === undefined) this.#keepHouseSoon();
    if (reply.s > this.#told && this.#telling === undefined) {
      this.#telling = setTimeout(() => this.#tell(), TELL_MS);
    }
    if (!this.storage.settle) return reply;
    if (!this.storage.dirty?.() && !this.#settling && !this.#nextSettle) return reply;
    return this.#settled().then(() => reply);
  }

  #tell(): void {
    this.#telling = undefined;
    if (this.#closed) return;
    this.#told = this.#engine.lastSeq();
    for (const listen of this.#listeners) listen({ type: 'change', seq: this.#told });
  }

  /** When all that was run until now is committed: one commit for all that wait. */
  #settled(): Promise<void> {
    if (!this.storage.settle) return Promise.resolve();
    this.#nextSettle ??= (this.#settling ?? Promise.resolve()).catch(() => {}).then(() => {
      this.#nextSettle = undefined;
      const settling = this.#settle().finally(() => {
        if (this.#settling === settling) this.#settling = undefined;
      });
      this.#settling = settling;
      return settling;
    });
    return this.#nextSettle;
  }

  async #settle(): Promise<void> {
    const closing = this.#closed !== undefined;
    try {
      await this.storage.settle?.(closing || this.#engine.takeSynced());
    } catch (e) {
      if (!closing) this.#enqueue(() => this.#goBack(e as SiltError)).catch(() => {});
      throw e;
    }
  }

  /** After a failed settle: what is read from now on is what is kept, and nothing is written. */
  async #goBack(error: SiltError): Promise<void> {
    if (!this.storage.reload || !this.#settings.reopen || this.#refusing) return;
    this.#refusing = true;
    await this.storage.reload();
    this.#engine = await this.#settings.reopen();
    this.storage.refuse?.(error);
  }

  #keepHouseSoon(after = HOUSEKEEPING_MS): void {
    this.#timer = setTimeout(() => this.#keepHouse(), after);
    // A process of Node may end while only this is left to do.
    (this.#timer as { unref?(): void }).unref?.();
  }

  /** Does what is due, and a step of what can be done ahead. */
  #keepHouse(): void {
    this.#timer = undefined;
    if (this.#closed) return;
    if (this.#tail || !this.storage.ready()) {
      this.storage.prepare?.().catch(() => {});
      this.#keepHouseSoon();
      return;
    }
    const busy = this.#asked > 0;
    if (busy) this.#busyAt = performance.now();
    const idle = performance.now() - this.#busyAt >= IDLE_MS;
    const budget = busy ? STEP_BYTES_BUSY + STEP_BYTES_A_BYTE * this.#asked : STEP_BYTES;
    this.#asked = 0;
    try {
      const due = this.#guard(() => this.#engine.tick());
      const more = this.#guard(() => this.#engine.work(budget, idle));
      if (this.storage.dirty?.()) this.#settled().catch(() => {});
      if (!more) this.storage.rest?.();
      if (more) this.#keepHouseSoon(busy ? 2 : 0);
      else if (due >= 0) this.#keepHouseSoon(Math.max(due, 1));
      else if (!idle) this.#keepHouseSoon(IDLE_MS);
    } catch {
      // What failed here poisons the engine, and the next request is told so.
    }
  }
}
