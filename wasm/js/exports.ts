/** What every entry of the package gives besides `open`. */

export type { Difference, Found, Version } from './answers.js';
export { Batch } from './batch.js';
export type {
  Commit,
  CommitOptions,
  ConditionOptions,
  DeleteOptions,
  ExpiryOptions,
  Operation,
  SetOptions,
} from './batch.js';
export { Silt } from './client.js';
export { bytes, json, utf8 } from './codec.js';
export type { CodecOptions, KeyCodec, ValueCodec } from './codec.js';
export type { EngineOptions } from './engine-options.js';
export { SiltError } from './error.js';
export type { SiltErrorCode } from './error.js';
export type {
  Info,
  Plan,
  RecordPart,
  Recovery,
  SegmentInfo,
  SegmentPage,
  SegmentPart,
  Stats,
  StorageInfo,
} from './figures.js';
export type { CompactOptions, CompactReport } from './maintain.js';
export { Snapshot } from './reads.js';
export type { Retention } from './retention.js';
export { Scan } from './scan.js';
export type { ScanOptions } from './scan.js';
export type { Range, ReadOptions } from './scope.js';
export { structured } from './structured.js';
export { Transaction } from './transaction.js';
export type { TransactionOptions } from './transaction.js';
export type { ChannelEvent } from './transport.js';
export { tuple } from './tuple.js';
export type { TupleKey } from './tuple.js';
export type { Change, WatchOptions } from './watch.js';
export type { Durability } from './wire.js';
