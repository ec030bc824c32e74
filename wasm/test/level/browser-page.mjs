// The compliance suite of abstract-level over `siltdb/level` in a browser; the console has TAP.

import tape from 'tape';
import suite from 'abstract-level/test';
import { SiltLevel } from '../../dist/level.js';

const backend = new URL(location.href).searchParams.get('backend');
// On sublevels the suite never closes what they stand on, and a page has only so many workers.
const OPEN_MAX = 40;
const stores = [];
let count = 0;
tape.onFinish(() => (globalThis.finished = true));
suite({
  test: tape,
  factory(options) {
    count += 1;
    const store = new SiltLevel(`level-${backend}-${count}`, { backend, ...options });
    stores.push(store);
    if (stores.length > OPEN_MAX) void stores.shift().close();
    return store;
  },
});
