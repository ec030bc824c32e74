/**
 * `siltdb/sync` in workers: a store over storage that the worker has, answering at once.
 *
 * First `loadEngine(await WebAssembly.compileStreaming(fetch(url)))`, then `openOver(storage)`.
 */

export * from './sync-exports.js';
