/** What the operating system said, as the storage interface says it. */

import { SiltError, type SiltErrorCode } from './error.js';

const CODES: Record<string, SiltErrorCode> = {
  ENOENT: 'SILT_NOT_FOUND',
  EEXIST: 'SILT_ALREADY_EXISTS',
  // A limit on the length of files is a quota, too.
  ENOSPC: 'SILT_OUT_OF_SPACE',
  EDQUOT: 'SILT_OUT_OF_SPACE',
  EFBIG: 'SILT_OUT_OF_SPACE',
  EACCES: 'SILT_DENIED',
  EPERM: 'SILT_DENIED',
  EROFS: 'SILT_DENIED',
  EISDIR: 'SILT_DENIED',
  ENOTDIR: 'SILT_DENIED',
  // A link, where none is followed.
  ELOOP: 'SILT_DENIED',
  EMLINK: 'SILT_DENIED',
};

/** The code that the system gave, if it is the system's error. */
export function codeOfErrno(thrown: unknown): string | undefined {
  return (thrown as NodeJS.ErrnoException | undefined)?.code;
}

/** The error of an operation on a file that the system refused. */
export function refused(operation: string, name: string, thrown: unknown): SiltError {
  if (thrown instanceof SiltError) return thrown;
  const code = CODES[codeOfErrno(thrown) ?? ''] ?? 'SILT_IO';
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new SiltError(code, `${operation} ${name}: ${message}`, { cause: thrown });
}
