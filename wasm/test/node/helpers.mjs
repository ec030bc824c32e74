// What the tests of the engine share.

import { readFileSync } from 'node:fs';
import { Engine, loadEngine } from '../../build/js/engine.js';
import { MemoryStorage } from '../../build/js/memory.js';
import { packed, Reader, Writer } from '../../build/js/wire.js';

loadEngine(readFileSync(new URL('../../build/js/siltdb.wasm', import.meta.url)));

export const bytes = (text) => new TextEncoder().encode(text);
export const text = (bytes) => new TextDecoder().decode(bytes);

export function memoryEngine(options = {}) {
  return Engine.open(new MemoryStorage(), options);
}

/** Runs one operation and decodes its answer. */
export function ask(engine, encode, decode, client = 1) {
  const w = new Writer();
  encode(w);
  const request = w.take();
  const r = new Reader(engine.execute(client, request));
  const answer = decode(r);
  if (!r.done || engine.position() !== request.length) throw new Error('the answer has more');
  return answer;
}

/** The records of an answer to a scan. */
export function recordsOf({ records }) {
  const all = [];
  while (!records.done) all.push(records.record(packed));
  return all;
}

/** Pseudo-random whole numbers below a bound, the same for a seed. */
export function random(seed) {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}
