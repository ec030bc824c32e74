/** Runs the phases on one contender, and watches meanwhile how the page fares. */

import type { Arena, Contender } from './contenders.js';

/** What the reader chose. */
export interface Settings {
  records: number;
  valueBytes: number;
}

/** What one phase came to. Times are milliseconds. */
export interface Result {
  contender: string;
  phase: string;
  /** Calls that were timed, and records that they moved. */
  calls: number;
  records: number;
  ms: number;
  p50: number;
  p99: number;
  /** Longest time between two frames meanwhile. */
  gap: number;
  failed?: string;
}

/** The phases in order, and what they are called. */
export const PHASES = {
  put: 'put, one after the other',
  get: 'get, one after the other',
  getMany: 'get 50 at a time',
  putMany: 'put 50 at a time',
  scan: 'read all in order',
} as const;

type Phase = keyof typeof PHASES;

/** Records of a call that moves several. */
export const GROUP = 50;
const SCANS = 5;

/** Measures gaps between frames: what the reader feels as stutter. */
class GapMeter {
  #longest = 0;
  #last = performance.now();
  #running = true;

  constructor() {
    const frame = () => {
      const now = performance.now();
      this.#longest = Math.max(this.#longest, now - this.#last);
      this.#last = now;
      if (this.#running) requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }

  stop(): number {
    this.#running = false;
    return Math.max(this.#longest, performance.now() - this.#last);
  }
}

function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

function keyOf(i: number): string {
  // Spread out, so that neighbours in time are none in the order of keys.
  return `key ${String((i * 7919) % 1_000_003).padStart(7, '0')}`;
}

/** A value that its key tells, so that every read is checked. */
function valueOf(i: number, bytes: number): string {
  const head = `${i} `;
  return (head + 'abcdefghijklmnopqrstuvwxyz0123456789'.repeat(Math.ceil(bytes / 36))).slice(
    0,
    bytes,
  );
}

function check(i: number, got: string | undefined, bytes: number): void {
  if (got !== valueOf(i, bytes)) throw new Error(`${keyOf(i)} was not read as it was written`);
}

/** Records from the n-th on, round and round. */
export function recordsOf(
  from: number,
  count: number,
  { records, valueBytes }: Settings,
): [string, string][] {
  return Array.from({ length: count }, (_, i) => {
    const at = (from + i) % records;
    return [keyOf(at), valueOf(at, valueBytes)];
  });
}

type Call = (n: number) => unknown;

/** The calls of a phase: how many, what each does, and what it moves. */
function plan(
  arena: Arena,
  phase: Phase,
  { records, valueBytes }: Settings,
): [calls: number, moved: number, call: Call] {
  const random = () => Math.floor(Math.random() * records);
  const groups = Math.ceil(records / GROUP);
  switch (phase) {
    case 'put':
      return [records, 1, (n) => arena.put(keyOf(n), valueOf(n, valueBytes))];
    case 'get':
      return [
        records,
        1,
        async () => {
          const i = random();
          check(i, await arena.get(keyOf(i)), valueBytes);
        },
      ];
    case 'getMany':
      return [
        groups,
        GROUP,
        async () => {
          const which = Array.from({ length: GROUP }, random);
          const got = await arena.getMany(which.map(keyOf));
          which.forEach((i, at) => check(i, got[at], valueBytes));
        },
      ];
    case 'putMany':
      return [
        groups,
        GROUP,
        (n) => arena.putMany(recordsOf(n * GROUP, GROUP, { records, valueBytes })),
      ];
    case 'scan':
      return [
        SCANS,
        records,
        async () => {
          const found = await arena.scan();
          if (found !== records) throw new Error(`${found} of ${records} records were read`);
        },
      ];
  }
}

async function measure(
  arena: Arena,
  contender: Contender,
  phase: Phase,
  settings: Settings,
  signal: AbortSignal,
): Promise<Result> {
  const [calls, moved, call] = plan(arena, phase, settings);
  const times: number[] = [];
  const meter = new GapMeter();
  const began = performance.now();
  for (let n = 0; n < calls; n += 1) {
    signal.throwIfAborted();
    const start = performance.now();
    const going = call(n);
    // What answers at once is not made to wait for a turn.
    if (going instanceof Promise) await going;
    times.push(performance.now() - start);
  }
  const ms = performance.now() - began;
  times.sort((a, b) => a - b);
  return {
    contender: contender.id,
    phase,
    calls,
    records: calls * moved,
    ms,
    p50: percentile(times, 0.5),
    p99: percentile(times, 0.99),
    gap: meter.stop(),
  };
}

/** All phases of a contender; a phase that fails is told as such, and ends it. */
export async function* runContender(
  contender: Contender,
  settings: Settings,
  signal: AbortSignal,
): AsyncGenerator<Result> {
  const arena = await contender.enter();
  try {
    // Warm up: code is compiled and files are made before anything counts.
    for (let i = 0; i < 20; i += 1) {
      await arena.put(keyOf(i), valueOf(i, settings.valueBytes));
      await arena.get(keyOf(i));
    }
    for (const phase of Object.keys(PHASES) as Phase[]) {
      // A frame between: what is left of the phase before is drawn.
      await new Promise((resolve) => setTimeout(resolve, 30));
      yield await measure(arena, contender, phase, settings, signal);
    }
  } catch (e) {
    if (signal.aborted) throw e;
    yield {
      contender: contender.id,
      phase: 'put',
      calls: 0,
      records: 0,
      ms: 0,
      p50: 0,
      p99: 0,
      gap: 0,
      failed: String((e as Error).message ?? e),
    };
  } finally {
    await arena.leave();
  }
}
