/** The script of the worker: it waits for a client to say which store to open. */

import { serve } from './seat.js';
import type { FromWorker, Port, ToWorker } from './transport.js';

export { serve };

declare const DedicatedWorkerGlobalScope: undefined | (new () => object);

if (typeof DedicatedWorkerGlobalScope !== 'undefined' &&
    globalThis instanceof DedicatedWorkerGlobalScope) {
  serve(globalThis as unknown as Port<ToWorker, FromWorker>, () => {
    (globalThis as unknown as { close(): void }).close();
  });
}
