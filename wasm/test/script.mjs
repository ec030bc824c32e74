// One script of writes for every home of the engine: where clock and random bits are given, its
// files are the same byte for byte.

import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Writer } from '../build/js/bytes.js';
import { encodeCompactStep, encodePlain, encodeWrite, SYNC } from '../build/js/wire.js';

export const SEED = 42;
export const NOW_MS = 1_700_000_000_000;
export const OPTIONS = { segmentBytes: 128 * 1024, autoCompact: false, durability: 'flushed' };

/** The same bits on every run. */
export function seeded(seed = SEED) {
  let state = BigInt(seed);
  return () => {
    state = BigInt.asUintN(64, state * 6364136223846793005n + 1442695040888963407n);
    return state;
  };
}

/** Batches, overwrites, deletes, of sizes that cross segments; syncs and compactions between. */
export function script() {
  const next = seeded(7);
  const below = (limit) => Number((next() >> 33n) % BigInt(limit));
  const encoder = new TextEncoder();
  return Array.from({ length: 300 }, (_, i) => ({
    writes: Array.from({ length: 1 + below(8) }, () => {
      const key = encoder.encode(`key ${below(200)}`);
      if (below(5) === 0) return { key };
      const expires = below(9) === 0 ? (NOW_MS + below(1e9)) * 1000 : undefined;
      return { key, value: new Uint8Array(below(3000)).fill(below(256)), expires };
    }),
    level: ['flushed', 'flushed', 'flushed', 'buffered', 'synced'][below(5)],
    sync: i % 50 === 49,
    compact: i === 90,
  }));
}

/** As packed requests. */
export function requests() {
  return script().map(({ writes, level, sync, compact }) => {
    const w = new Writer();
    encodeWrite(w, writes, level);
    if (sync) encodePlain(w, SYNC);
    // Each is one rewriting or its installing; those too many find nothing to do.
    if (compact) for (let i = 0; i < 200; i += 1) encodeCompactStep(w, 2 ** 40);
    return w.take();
  });
}

/** As lines for the native example. */
export function lines() {
  const hex = (bytes) => Buffer.from(bytes).toString('hex');
  return script().flatMap(({ writes, level, sync, compact }) => [
    ...writes.map(({ key, value, expires }) =>
      (value ? `+ ${hex(key)} ${hex(value)} ${expires ?? 0}` : `- ${hex(key)}`)),
    `commit ${level}`,
    ...(sync ? ['sync'] : []),
    ...(compact ? ['compact'] : []),
  ]).join('\n');
}

/** The files of a store in a directory, by name. */
export function filesIn(folder) {
  const names = readdirSync(folder).filter((name) => /\d{16}\.(segment|manifest)$/.test(name));
  return Object.fromEntries(names.sort().map((name) => {
    return [name, readFileSync(join(folder, name)).toString('base64')];
  }));
}
