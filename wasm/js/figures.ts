/** Figures that a store tells of itself. */

/** What a store stands on. */
export interface Info {
  /** `opfs`, `idb`, `memory` or `node-fs`. */
  readonly backend: string;
  /** Whether this tab runs the engine, asks another tab that does, or is alone by its nature. */
  readonly role: 'leader' | 'follower' | 'solo';
  /** Whether the store is there after the tab or process has ended. */
  readonly persistent: boolean;
}

/** Figures of a whole store. Sizes are bytes. */
export interface Stats {
  /** Keys that have a value. */
  keys: number;
  segments: number;
  /** Records held, superseded ones among them. */
  records: number;
  fileBytes: number;
  payloadBytes: number;
  /** What compaction can give back. */
  deadBytes: number;
  liveBytes: number;
  indexBytes: number;
  memtableBytes: number;
  cacheBytes: number;
  cacheHits: number;
  cacheMisses: number;
  lastSeq: number;
  /** Last commit that is safe from power loss. */
  durableSeq: number;
  /** Oldest moment that can be read. */
  horizon: number;
  commits: number;
  syncs: number;
  bytesAppended: number;
  bytesCompacted: number;
  [figure: string]: unknown;
}

/** One file of records. */
export interface SegmentInfo {
  number: number;
  /** `active`, `rolled`, `arrival` or `sorted`. */
  state: string;
  fileBytes: number;
  deadBytes: number;
  records: number;
  tombstones: number;
  minSeq: number;
  maxSeq: number;
  [figure: string]: unknown;
}

/** One rewriting that a compaction would do. */
export interface Plan {
  inputs: number[];
  inputBytes: number;
  deadBytes: number;
  reason: string;
  [figure: string]: unknown;
}

/** Space of the site and of the store. */
export interface StorageInfo {
  /** Bytes that the site takes; as the browser tells it, which is not exact. */
  usage: number;
  /** Bytes that it may take, as the browser tells it: not a promise. */
  quota: number;
  /** Whether the browser may throw the data away when space is short (false) or not (true). */
  persisted: boolean;
}
