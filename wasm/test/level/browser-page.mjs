// The compliance suite of abstract-level over `siltdb/level` in a browser; the console has TAP.

import tape from 'tape';
import suite from 'abstract-level/test';
import { SiltLevel } from '../../dist/level.js';

const backend = new URL(location.href).searchParams.get('backend');
// On sublevels the suite never closes what they stand on, and a page has only so many workers:
// what was opened long ago is taken from under them.
const OPEN_MAX = 40;
const open = [];

class Bounded extends SiltLevel {
  async reach(name, options) {
    const channel = await super.reach(name, { ...options, wasm });
    open.push(channel);
    if (open.length > OPEN_MAX) await open.shift().close();
    return channel;
  }
}

// Thousands of stores are opened: the engine is compiled once.
const wasm = await WebAssembly.compileStreaming(fetch('/siltdb.wasm'));
let count = 0;
tape.onFinish(() => (globalThis.finished = true));
suite({
  test: tape,
  factory(options) {
    count += 1;
    return new Bounded(`level-${backend}-${count}`, { backend, ...options });
  },
});
