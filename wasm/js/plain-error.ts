/** Errors on their way between threads. */

import { codeOf, SiltError, type SiltErrorCode } from './error.js';
import type { PlainError } from './transport.js';

/** An error without its class. */
export function plainError(thrown: unknown): PlainError {
  const { message, operation, found, oldest } = (thrown ?? {}) as Partial<SiltError>;
  const detail: PlainError['detail'] = {};
  if (operation !== undefined) detail.operation = operation;
  if (found !== undefined) detail.found = found;
  if (oldest !== undefined) detail.oldest = oldest;
  return { code: codeOf(thrown) ?? 'SILT_IO', message: message ?? `${thrown}`, detail };
}

/** The same error, with its class. */
export function fullError(plain: PlainError): SiltError {
  return new SiltError(plain.code as SiltErrorCode, plain.message, plain.detail);
}
