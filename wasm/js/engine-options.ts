/** Options of an engine: which there are, and how it is told them. */

import { levelOf } from './batch.js';
import { Writer } from './bytes.js';
import { checkOptions, checkWhole } from './check.js';
import { refuse } from './error.js';
import { packRetention, type Retention } from './retention.js';
import { LEVELS, type Durability } from './wire.js';

/** Options of an engine; what is left out has the store's default. */
export interface EngineOptions {
  /** What a write is acknowledged for unless it says otherwise. `flushed` if left out. */
  durability?: Durability | undefined;
  /** The active segment is sealed at this size, in bytes. 8 MiB if left out. */
  segmentBytes?: number | undefined;
  /** Longest time a flushed write waits for its sync. */
  syncIntervalMs?: number | undefined;
  /** The write buffer is written out at this many bytes. */
  bufferBytesMax?: number | undefined;
  /** The write buffer is written out after this time. */
  bufferMsMax?: number | undefined;
  /** Do not write a value that is the newest already. */
  skipIdentical?: boolean | undefined;
  /** Memory for what is in the files, in bytes; taken only as it is used. 32 MiB if left out. */
  cacheBytes?: number | undefined;
  /** Retention of a store that is created; an existing one keeps its own. */
  retention?: Retention | undefined;
  /** Whether a missing store is created; true if left out. */
  create?: boolean | undefined;
  /** Whether compaction runs by itself, in `work`; true if left out. */
  autoCompact?: boolean | undefined;
  /** On close an active segment of this many bytes is sealed. 1 MiB if left out. */
  sealOnCloseBytes?: number | undefined;
  /** The clock in milliseconds since 1970; for tests. */
  now?: (() => number) | undefined;
  /** Sixty-four random bits; for tests. */
  random?: (() => bigint) | undefined;
}

/** Marks the tag of an option that is true or false. */
const FLAG = 16;
/** Tags of the options that are a number or a flag, as `wasm/src/options.rs` reads them. */
const TAGS = {
  segmentBytes: 2,
  syncIntervalMs: 3,
  bufferBytesMax: 4,
  bufferMsMax: 5,
  skipIdentical: FLAG + 6,
  cacheBytes: 7,
  create: FLAG + 9,
  autoCompact: FLAG + 10,
  sealOnCloseBytes: 11,
};

/** Options in bytes: a tag and a number each. */
export function packOptions(options: EngineOptions): Uint8Array {
  const w = new Writer(64);
  const level = levelOf(options.durability);
  if (level !== undefined) w.u8(1).n(LEVELS.indexOf(level));
  if (options.retention !== undefined) {
    const { kind, amount } = packRetention(options.retention);
    w.u8(8).n(kind).n(amount);
  }
  for (const [name, tag] of Object.entries(TAGS)) {
    const value = options[name as keyof typeof TAGS];
    if (value === undefined) continue;
    if (tag > FLAG && typeof value !== 'boolean') refuse(`${name} must be true or false`);
    w.u8(tag % FLAG).n(checkWhole(tag > FLAG ? Number(value) : (value as number), name));
  }
  return w.take();
}

/** Names of all of them. */
const NAMES = `durability retention now random ${Object.keys(TAGS).join(' ')}`;

/** Refuses options that there are not, and values that they cannot have. */
export function checkEngine(options: EngineOptions, also = ''): void {
  checkOptions(options, NAMES + also);
  packOptions(options);
}

/** Of options that others have theirs among, those of an engine and `also` these. */
export function engineOptionsOf<T extends object>(options: T, also: string): T {
  const known = (NAMES + also).split(' ');
  return Object.fromEntries(Object.entries(options).filter(([name]) => known.includes(name))) as T;
}
