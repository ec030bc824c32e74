// What the suite of abstract-level expects of Node, for the browser.

import { Buffer } from 'buffer/';

globalThis.Buffer ??= Buffer;
globalThis.global ??= globalThis;
globalThis.setImmediate ??= (run, ...rest) => setTimeout(run, 0, ...rest);
globalThis.process ??= {
  nextTick: (run, ...rest) => queueMicrotask(() => run(...rest)),
  env: {},
  browser: true,
  version: '',
  versions: {},
  cwd: () => '/',
  on() {},
  once() {},
  removeListener() {},
  exit() {},
};
