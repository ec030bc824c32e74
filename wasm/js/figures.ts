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
  /** Keys that have a value; one that has expired counts until compaction drops it. */
  keys: number;
  /** Files of records. */
  segments: number;
  /** Records held, superseded ones among them. */
  records: number;
  /** All files together. */
  fileBytes: number;
  /** Keys and values of all records held. */
  payloadBytes: number;
  /** What compaction can give back. */
  deadBytes: number;
  /** What the newest versions take, and those that retention keeps. */
  liveBytes: number;
  /** Memory that the index of keys takes. */
  indexBytes: number;
  /** Memory of what is not sealed yet. */
  memtableBytes: number;
  /** Memory of what was lately read. */
  cacheBytes: number;
  /** Reads that the cache has answered. */
  cacheHits: number;
  /** Reads that went to a file. */
  cacheMisses: number;
  /** The last commit. */
  lastSeq: number;
  /** Last commit that is safe from power loss. */
  durableSeq: number;
  /** Oldest moment that can be read. */
  horizon: number;
  /** Commits since the store was opened, as is all that follows. */
  commits: number;
  /** Times that files were made safe from power loss. */
  syncs: number;
  /** Bytes that writes have appended. */
  bytesAppended: number;
  /** Bytes that compaction has written. */
  bytesCompacted: number;
  /** What opening the store found and did. */
  recovery: Recovery;
  /** What else the engine tells. */
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
  /** Files of the log. */
  logSegments: number;
  /** Bytes of them that hold and were read. */
  logBytes: number;
  /** Records in these. */
  records: number;
  /** Bytes of a torn append, which were dropped. */
  droppedBytes: number;
  /** Whole records among them. */
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
  /** Bytes of the file. */
  fileBytes: number;
  /** Bytes that compaction can give back. */
  deadBytes: number;
  /** Records in it, deletes among them. */
  records: number;
  /** Deletes in it. */
  tombstones: number;
  /** Its oldest commit. */
  minSeq: number;
  /** Its newest commit. */
  maxSeq: number;
  /** What else the engine tells. */
  [figure: string]: unknown;
}

/** One rewriting that a compaction would do. */
export interface Plan {
  /** Numbers of the files that it reads, oldest first. */
  segments: number[];
  /** Bytes of these. */
  inputBytes: number;
  /** Bytes that it gives back. */
  deadBytes: number;
  /** Why it is worth it, for people. */
  reason: string;
  /** What else the engine tells. */
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
  /** Tells it from other parts. */
  kind: 'record';
  /** As it stands in the store, the prefix of a part and all. */
  key: Uint8Array;
  /** Bytes of its value. */
  valueLength: number;
  /** The commit. */
  seq: number;
  /** `live`: the newest version of its key. Superseded ones are kept as retention asks. */
  state: 'live' | 'superseded' | 'tombstone';
  /** Whether it is a delete. */
  tombstone: boolean;
  /** When it expires, if it does. */
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
  /** What stands there, in the order of the file. */
  parts: SegmentPart[];
  /** Where to go on; not there at the end. */
  next?: number;
}
