/** What stands between a client and the host of its store. */

import type { EngineOptions } from './engine-options.js';

/** What part a client's worker plays among those that share a store. */
export type Role = 'leader' | 'follower' | 'solo';

/** Where a store is kept. */
export type Backend = 'opfs' | 'idb' | 'memory' | 'node-fs';

/** What a host tells unasked. */
export type ChannelEvent =
  | { type: 'change'; seq: number }
  | { type: 'role'; role: Role }
  | { type: 'fallback'; from: string; to: string; why: string }
  | { type: 'closed' };

/** A client's way to its host: first in, first done. */
export interface Channel {
  /** One packed request (given away), its packed reply. Rejects with a `SiltError`. */
  send(request: Uint8Array): Promise<Uint8Array>;
  /** A method of the host: `info`, `export`, `storage`, `persist`. */
  call(method: string): Promise<unknown>;
  /** Listens; what is returned ends it. */
  onEvent(listen: (event: ChannelEvent) => void): () => void;
  /** Closes the client; the last one of a store closes the store. */
  close(): Promise<void>;
}

/** The module `siltdb/worker`, imported. */
export interface WorkerModule {
  serve(): Port<FromWorker, ToWorker>;
}

/** Where and how a store is opened. */
export interface ConnectOptions extends EngineOptions {
  /** `auto`: OPFS, and IndexedDB where there is none. */
  backend?: 'auto' | Backend | undefined;
  /** `memory`: where nothing can be kept, the store lives in memory, and says so. */
  fallback?: 'error' | 'memory' | undefined;
  /** `exclusive`: no other tab may have the store open. */
  multiTab?: 'auto' | 'exclusive' | undefined;
  /**
   * The worker's script, or what makes a worker. Or the module `siltdb/worker` itself: the engine
   * then runs in this thread, where no message is on the way of a read; a page's store is in
   * IndexedDB or in memory then, for files are to be had in workers only.
   */
  worker?: URL | string | (() => Worker) | WorkerModule | undefined;
  /** Milliseconds in which a worker must have begun; 10,000 unless given. */
  startTimeoutMs?: number | undefined;
  /**
   * Milliseconds after which a worker that says nothing at all is ended, for another to take its
   * place; 60,000 unless given, `Infinity` for never.
   */
  answerTimeoutMs?: number | undefined;
  /** The compiled engine. */
  wasm?: URL | string | WebAssembly.Module | BufferSource | undefined;
  /** Makes the store of this snapshot; `SILT_NOT_EMPTY` if there is one. */
  restore?: Blob | undefined;
}

/** The names of those that a worker is told, besides those of the engine. */
export const HOST_OPTIONS =
  ' backend fallback multiTab startTimeoutMs answerTimeoutMs wasm restore';

/** What `call('info')` gives. */
export interface HostInfo {
  backend: Backend;
  role: Role;
  persistent: boolean;
}

/** An error as it crosses threads. */
export interface PlainError {
  code: string;
  message: string;
  detail: { operation?: number; found?: number; oldest?: number };
}

/** Options as they cross threads: what is a function stays behind. */
export type PlainOptions = Omit<ConnectOptions, 'worker' | 'now' | 'random' | 'wasm'> & {
  wasm?: string | WebAssembly.Module | BufferSource | undefined;
};

/** From a client to its worker; `again`: sent before, by one who was answered up to this seq. */
export type ToWorker =
  | { t: 'open'; name: string; client: number; options: PlainOptions }
  | { t: 'send'; n: number; b: Uint8Array; again?: number }
  | { t: 'call'; n: number; m: string }
  | { t: 'line'; memory: SharedArrayBuffer }
  | { t: 'freeze' | 'thaw' | 'close' | 'ping' };

/** A request as it travels. */
export type Sent = Extract<ToWorker, { t: 'send' }>;

/**
 * From a worker to its client; `s` is the last seq when the reply was made, `m` the memory of the
 * request, if that is large; a worker that was updated after or before its page may give none.
 */
export type FromWorker =
  | { t: 'alive'; lock: string | undefined }
  | { t: 'opened' }
  | { t: 'failed'; e: PlainError }
  | { t: 'reply'; n: number; b: Uint8Array; s: number; m?: ArrayBuffer[] }
  | { t: 'result'; n: number; v: unknown }
  | { t: 'error'; n: number; e: PlainError }
  | { t: 'event'; e: ChannelEvent }
  | { t: 'pong' }
  | { t: 'busy' }
  | { t: 'closed' };

/** What ends a request or a call. */
export type Answer = Extract<FromWorker, { t: 'reply' | 'result' | 'error' }>;

/** A `MessagePort`, or the like of it. */
export interface Port<In, Out> {
  postMessage(message: Out, transfer?: Transferable[]): void;
  onmessage: ((event: MessageEvent<In>) => void) | null;
  addEventListener(type: 'messageerror', listen: () => void): void;
  /** Ends the other end here and now, where that can be done. */
  terminate?(): void;
}
