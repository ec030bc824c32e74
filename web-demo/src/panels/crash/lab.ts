/** A store to be broken, and the memory of what it has promised. */

import { openText, type Store } from '../../app.js';
import { released, removeStore } from '../../reset.js';

/** Records of a batch. */
export const BATCH = 8;

/** What became of a batch. */
export type Fate = 'whole' | 'lost' | 'never promised' | 'partly there' | 'named damage' | 'wrong';

interface Sent {
  acknowledged: boolean;
  values: Map<string, string>;
}

/** What ends together when the store that is open is killed. */
interface Life {
  over: boolean;
  workers: Worker[];
}

/** A store of its own with the batches that were sent to it. */
export class Lab {
  readonly name = 'demo-crash';
  db: Store | undefined;
  readonly sent: Sent[] = [];
  #life: Life = { over: false, workers: [] };

  /** An empty store. */
  async fresh(): Promise<void> {
    await this.leave();
    await removeStore(this.name);
    this.sent.length = 0;
    await this.open();
  }

  /** Opens the store as it stands. */
  async open(): Promise<Store> {
    // Of this opening only: one that was killed goes on to ask for workers for a while.
    const life: Life = { over: false, workers: [] };
    this.#life = life;
    const script = new URL('siltdb/worker.js', document.baseURI);
    const { db } = await openText(this.name, {
      // Small segments, sealed on closing too: there is something of each kind to break.
      segmentBytes: 16 << 10,
      sealOnCloseBytes: 1,
      autoCompact: false,
      multiTab: 'exclusive',
      worker: () => {
        if (life.over) throw new Error('it was killed on purpose');
        const worker = new Worker(script, { type: 'module', name: 'siltdb crash lab' });
        life.workers.push(worker);
        return worker;
      },
    });
    this.db = db;
    return db;
  }

  /** Closes it in peace, if it is open. */
  async leave(): Promise<void> {
    const { db } = this;
    this.db = undefined;
    await db?.close().catch(() => undefined);
    await released(this.name);
  }

  /** Ends the worker between two of its steps, and starts no other. */
  async kill(): Promise<void> {
    this.#life.over = true;
    this.db = undefined;
    for (const worker of this.#life.workers) worker.terminate();
    await released(this.name);
  }

  /** Sends a batch; resolves when it is acknowledged, or never will be. */
  async send(): Promise<void> {
    const { db } = this;
    if (!db) return;
    const number = String(this.sent.length).padStart(4, '0');
    const values = new Map<string, string>();
    const batch = db.batch();
    for (let i = 0; i < BATCH; i += 1) {
      const [key, value] = [`batch ${number}/${i}`, `${number}.${i} `.repeat(12)];
      values.set(key, value);
      batch.set(key, value);
    }
    const sent: Sent = { acknowledged: false, values };
    this.sent.push(sent);
    try {
      await batch.commit();
      sent.acknowledged = true;
    } catch {
      // Its worker is gone. Nothing was promised.
    }
  }

  /** Reads everything that was ever sent, and tells what is there of each batch. */
  async judge(): Promise<{ fates: Fate[]; damage: string[] }> {
    const { db } = this;
    const damage: string[] = [];
    const fates: Fate[] = [];
    for (const { acknowledged, values } of this.sent) {
      const reads = await Promise.allSettled([...values.keys()].map((key) => db?.get(key)));
      let there = 0;
      let named = 0;
      let wrong = 0;
      [...values.values()].forEach((value, i) => {
        const read = reads[i] as PromiseSettledResult<string | undefined>;
        if (read.status === 'rejected') {
          named += 1;
          damage.push(String((read.reason as Error).message));
        } else if (read.value === value) there += 1;
        else if (read.value !== undefined) wrong += 1;
      });
      fates.push(
        wrong > 0
          ? 'wrong'
          : named > 0
            ? 'named damage'
            : there === values.size
              ? 'whole'
              : there > 0
                ? 'partly there'
                : acknowledged
                  ? 'lost'
                  : 'never promised',
      );
    }
    return { fates, damage };
  }
}
