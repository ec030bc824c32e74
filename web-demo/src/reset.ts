/** Removing stores: the reader's own, in all tabs, and those of the experiments. */

import { destroy } from 'siltdb';
import { type App, NAME } from './app.js';
import { report, say } from './dom.js';

const channel = new BroadcastChannel('siltdb-demo reset');

/** Waits until no worker holds the store. */
export async function released(name: string): Promise<void> {
  await navigator.locks?.request(`siltdb:${name}`, () => undefined);
}

/** Removes a store, as soon as nobody has it open. */
export async function removeStore(name: string): Promise<void> {
  await released(name);
  await destroy(name);
}

/** Throws the store away, past and all, and begins with an empty one in every tab. */
export async function startOver(app: App): Promise<void> {
  if (!confirm('Throw away everything in the store of this page, in all tabs?')) return;
  channel.postMessage('close');
  await app.db.close();
  await removeStore(NAME);
  channel.postMessage('reload');
  location.reload();
}

/** Obeys when another tab starts over. */
export function obeyReset(app: App): void {
  channel.onmessage = ({ data }) => {
    if (data === 'close') {
      say('Another tab starts over: the store is closed here for a moment.');
      app.db.close().catch(report);
    } else if (data === 'reload') location.reload();
  };
}
