/** The counter that all tabs add to, and whether every increment is in it. */

import type { Store } from '../app.js';

const PREFIX = 'tabs/';
/** What all tabs have added. */
export const COUNTER = `${PREFIX}counter`;
/** What each tab has added, by its name: written together with the counter. */
export const SHARES = `${PREFIX}by/`;

/** Adds one, in a transaction that reads what it adds to. */
export async function addOne(db: Store, id: string): Promise<void> {
  await db.transaction(
    async (tx) => {
      for (const key of [COUNTER, SHARES + id]) {
        tx.set(key, String(Number((await tx.get(key)) ?? 0) + 1));
      }
    },
    { retries: 100 },
  );
}

/** The counter beside what every tab was told. */
export interface Comparison {
  counter: number;
  added: number;
  told: number;
  lost: number;
}

/** Compares; the tabs have told what they tell before, and what is added meanwhile is only more. */
export async function compare(
  db: Store,
  tabs: readonly { id: string; acknowledged: number }[],
): Promise<Comparison> {
  const held = await db.snapshot();
  const [value, shares] = await Promise.all([
    held.get(COUNTER),
    held.entries({ prefix: SHARES }).all(),
  ]);
  await held.close();
  const counter = Number(value ?? 0);
  const added = shares.reduce((sum, [, share]) => sum + Number(share), 0);
  const shareOf = new Map(shares.map(([key, share]) => [key.slice(SHARES.length), Number(share)]));
  const missing = tabs.reduce(
    (sum, { id, acknowledged }) => sum + Math.max(0, acknowledged - (shareOf.get(id) ?? 0)),
    0,
  );
  const told = tabs.reduce((sum, { acknowledged }) => sum + acknowledged, 0);
  return { counter, added, told, lost: missing + Math.abs(added - counter) };
}
