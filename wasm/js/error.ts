/** Errors: one class, told apart by a stable code that every home of SiltDB shares. */

/** Codes of the engine and its storage, the same in the command line and the server. */
export type EngineErrorCode =
  | 'SILT_NOT_FOUND'
  | 'SILT_ALREADY_EXISTS'
  | 'SILT_NOT_READY'
  | 'SILT_OUT_OF_SPACE'
  | 'SILT_LOCKED'
  | 'SILT_UNEXPECTED_END'
  | 'SILT_DENIED'
  | 'SILT_IO'
  | 'SILT_CORRUPT'
  | 'SILT_POISONED'
  | 'SILT_KEY_EMPTY'
  | 'SILT_KEY_TOO_LONG'
  | 'SILT_VALUE_TOO_LONG'
  | 'SILT_BATCH_TOO_LARGE'
  | 'SILT_CONDITION_FAILED'
  | 'SILT_HISTORY_GONE'
  | 'SILT_UNSUPPORTED'
  | 'SILT_INVALID'
  | 'SILT_NOT_EMPTY'
  | 'SILT_NO_STORE';

/** Codes that only JavaScript homes have. */
export type HostErrorCode =
  | 'SILT_CLOSED'
  | 'SILT_LEADER_LOST'
  | 'SILT_ABORTED'
  | 'SILT_CONFLICT'
  | 'SILT_NOT_SUPPORTED'
  | 'SILT_WASM_BLOCKED'
  | 'SILT_CRASHED';

/** Every code that a {@link SiltError} can have. */
export type SiltErrorCode = EngineErrorCode | HostErrorCode;

/** What an error tells besides its code and message. */
export interface SiltErrorDetail {
  /** `SILT_CONDITION_FAILED`: place in the batch of the operation that failed, from 0. */
  operation?: number;
  /** `SILT_CONDITION_FAILED`: seq that the key has, 0 if it is absent. */
  found?: number;
  /** `SILT_HISTORY_GONE`: oldest seq (microseconds since 1970) that can be read. */
  oldest?: number;
  /** What failed underneath. */
  cause?: unknown;
}

/** An error of a store. Programs look at `code`; the message is for people. */
export class SiltError extends Error {
  /** What went wrong, for programs. */
  readonly code: SiltErrorCode;
  /** See {@link SiltErrorDetail.operation}. */
  declare readonly operation?: number;
  /** See {@link SiltErrorDetail.found}. */
  declare readonly found?: number;
  /** See {@link SiltErrorDetail.oldest}. */
  declare readonly oldest?: number;

  constructor(code: SiltErrorCode, message: string, detail: SiltErrorDetail = {}) {
    const { cause, ...rest } = detail;
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'SiltError';
    this.code = code;
    Object.assign(this, rest);
  }
}

/** The code of anything thrown, if it has one of ours. */
export function codeOf(thrown: unknown): string | undefined {
  const code = (thrown as { code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' && code.startsWith('SILT_') ? code : undefined;
}

/** What errors of the platform are called here. */
const CODES: Record<string, SiltErrorCode> = {
  QuotaExceededError: 'SILT_OUT_OF_SPACE',
  NoModificationAllowedError: 'SILT_LOCKED',
  NotFoundError: 'SILT_NOT_FOUND',
  NotAllowedError: 'SILT_DENIED',
  SecurityError: 'SILT_DENIED',
  // Of an option that cannot be told to another thread.
  DataCloneError: 'SILT_INVALID',
};

/** What the platform threw, or reported, as an error of ours. */
export function cannot(what: string, thrown: unknown): SiltError {
  if (codeOf(thrown)) return thrown as SiltError;
  const { name, message } = (thrown ?? {}) as Error;
  const code = CODES[name] ?? 'SILT_IO';
  return new SiltError(code, `cannot ${what}: ${message || name}`, { cause: thrown });
}

/** What a closed store says. */
export function closed(): SiltError {
  return new SiltError('SILT_CLOSED', 'the store is closed');
}

/** Refuses what a caller gave. */
export function refuse(message: string, cause?: unknown): never {
  throw new SiltError('SILT_INVALID', message, { cause });
}

/** What is no file cannot be restored. */
export function refuseNoBlob(snapshot: unknown): void {
  if (!(snapshot instanceof Blob)) refuse('a snapshot is a Blob');
}
