/** The script of the worker: it waits for a client to say which store to open. */

import { opfsRoot } from './opfs-root.js';
import { Seat, serve } from './seat.js';
import type { FromWorker, Port, ToWorker } from './transport.js';
import { GET } from './wire.js';

export { serve };

declare const DedicatedWorkerGlobalScope: undefined | (new () => object);

/**
 * Whoever waits for each value asks again at once. So many milliseconds after a get the worker does
 * not go to sleep: to wake it would take longer than what it is asked for. After a synced write that
 * would disturb the platform, which is still at it.
 */
const AWAKE_MS = 0.1;
/** Whoever asks for more at a time has more to do with the answer, and needs its cores for it. */
const BRIEF_BYTES = 512;

/** See {@link AWAKE_MS}. */
function stayAwake(): void {
  const { port1, port2 } = new MessageChannel();
  let until = 0;
  let awake = false;
  const turn = () => {
    awake = performance.now() < until;
    if (awake) port2.postMessage(0);
  };
  port1.onmessage = turn;
  addEventListener('message', ({ data }: MessageEvent<ToWorker>) => {
    if (data.t !== 'send' || data.b[0] !== GET || data.b.length > BRIEF_BYTES) return;
    until = performance.now() + AWAKE_MS;
    if (!awake) turn();
  });
}

if (typeof DedicatedWorkerGlobalScope !== 'undefined' &&
    globalThis instanceof DedicatedWorkerGlobalScope) {
  // Browsers take long over the first file a thread asks for: they begin while it hears what to open.
  opfsRoot().catch(() => {});
  new Seat(globalThis as unknown as Port<ToWorker, FromWorker>, () => {
    (globalThis as unknown as { close(): void }).close();
  });
  // After the store has answered, as far as it does so at once.
  stayAwake();
}
