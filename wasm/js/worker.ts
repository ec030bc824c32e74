/** The script of the worker: it waits for a client to say which store to open. */

import { attend } from './line-end.js';
import { opfsRoot } from './opfs-root.js';
import { Seat, serve } from './seat.js';

export { serve };

declare const DedicatedWorkerGlobalScope: undefined | (new () => object);

if (typeof DedicatedWorkerGlobalScope !== 'undefined' &&
    globalThis instanceof DedicatedWorkerGlobalScope) {
  // Browsers take long over the first file a thread asks for: they begin while it hears what to open.
  opfsRoot().catch(() => {});
  new Seat(attend(globalThis as never), () => (globalThis as never as { close(): void }).close());
}
