/** What both entries of `siltdb/sync` give. */

export type { Difference, Found, Version } from './answers.js';
export { Batch } from './batch.js';
export type * from './batch.js';
export { bytes, json, utf8 } from './codec.js';
export type { CodecOptions, KeyCodec, ValueCodec } from './codec.js';
export { loadEngine } from './engine.js';
export type { EngineOptions } from './engine-options.js';
export { SiltError } from './error.js';
export type { SiltErrorCode } from './error.js';
export type {
  Plan,
  RecordPart,
  Recovery,
  SegmentInfo,
  SegmentPage,
  SegmentPart,
  Stats,
} from './figures.js';
export { MemoryStorage } from './memory.js';
export type { Retention } from './retention.js';
export type { ScanOptions } from './scan.js';
export type { Range, ReadOptions } from './scope.js';
export type { AsyncStorage, HostStorage } from './storage.js';
export { structured } from './structured.js';
export { SiltSync, openOver } from './sync-client.js';
export { SyncSnapshot } from './sync-reads.js';
export { SyncTransaction } from './sync-transaction.js';
export { tuple } from './tuple.js';
export type { TupleKey } from './tuple.js';
