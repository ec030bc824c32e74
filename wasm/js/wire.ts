/**
 * The wire format between client and engine: operations packed back to back in a request,
 * answers packed back to back in its reply. `wasm/src/wire.rs` is the other end.
 *
 * `encodeX` appends an operation to a request; `decodeX` takes its answer off a reply, and throws
 * a {@link SiltError} if the operation failed. Bytes in answers are views over the reply.
 */

export { Reader, Writer } from './bytes.js';
export * from './wire-answers.js';
export * from './wire-requests.js';
