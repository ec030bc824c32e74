/**
 * Names of fields and methods that no caller sees, nor another thread or version of the package:
 * they are shortened in what a page loads. One that is forgotten here costs some bytes;
 * `test/node/docs.test.mjs` sees that none is public.
 */
export const INTERNAL = new RegExp(`^(${[
  'session', 'scope', 'moment', 'openView', 'closeView', 'closeNumber', 'nextView', 'requestSync',
  'requestWrite', 'requestBatch', 'keysOnly', 'ranges', 'chunk', 'mayFail', 'under',
  'exclusively', 'dropClient', 'takeSynced',
  'crashed', 'reopen', 'dirty', 'notes', 'retire', 'quit', 'reload',
  'channel', 'amount', 'opened', 'pack', 'unpack', 'operations', 'whole', 'keep', 'raw',
  'over', 'position', 'byte', 'float', 'big', 'escaped', 'part', 'ahead', 'record', 'viewId',
  'same', 'check', 'closed', 'mine', 'back', 'skip', 'refuse', 'reuse', 'missed', 'appends',
  'joined',
].join('|')})$`);
