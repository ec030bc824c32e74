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
  /** What opening the store found and did. */
  recovery: Recovery;
  [figure: string]: unknown;
}

/** What an open found and did. */
export interface Recovery {
  /** There was no store. */
  created: boolean;
  /** The store was closed before; false: it was stopped, by a crash or the like. */
  clean: boolean;
  /** What holds of the log was copied into sealed segments. */
  rewritten: boolean;
  /** Sealed segments, of whose records nothing had to be read. */
  segments: number;
  /** Files of the log, bytes of them that hold and were read, and records in these. */
  logSegments: number;
  logBytes: number;
  records: number;
  /** Bytes of a torn append, which were dropped, and whole records among them. */
  droppedBytes: number;
  droppedRecords: number;
  /** Files that were left of unfinished work, and removed. */
  removedFiles: number;
}

/** One file of records. */
export interface SegmentInfo {
  /** What `records` and `bytes` call it by. */
  segment: number;
  /** Name of the file. */
  file: string;
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
  segments: number[];
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

/** Where a part of a segment stands in its file, in bytes. */
interface Place {
  offset: number;
  /** That of a group includes its records. */
  length: number;
}

/** One version of a key, where it stands in its segment. */
export interface RecordPart extends Place {
  kind: 'record';
  /** As it stands in the store, the prefix of a part and all. */
  key: Uint8Array;
  valueLength: number;
  seq: number;
  /** `live`: the newest version of its key. Superseded ones are kept as retention asks. */
  state: 'live' | 'superseded' | 'tombstone';
  tombstone: boolean;
  expires?: Date;
  /** Whether the batch goes on in the next record. */
  more: boolean;
}

/** One part of a segment. The parts of a group follow it. */
export type SegmentPart =
  | RecordPart
  /** The head of the file. */
  | (Place & { kind: 'segment'; number: number; baseSeq: number })
  /** What was appended at once; `unsynced` bytes before it were not known to be synced then. */
  | (Place & { kind: 'group'; unsynced: number })
  /** A block of the key table. */
  | (Place & { kind: 'table'; records: number; firstKey: Uint8Array })
  /** First keys and places of the blocks. */
  | (Place & { kind: 'fences'; blocks: number })
  | (Place & { kind: 'footer'; records: number })
  /** `torn`: what a stop left of an append; `free`: reserved ahead, all zeros. */
  | (Place & { kind: 'filter' | 'torn' | 'free' });

/** A stretch of a segment. */
export interface SegmentPage {
  parts: SegmentPart[];
  /** Where to go on; not there at the end. */
  next?: number;
}
