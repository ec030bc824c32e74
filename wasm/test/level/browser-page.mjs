// The compliance suite of abstract-level over `siltdb/level` in a browser; the console has TAP.

import tape from 'tape';
import suite from 'abstract-level/test';
import { SiltLevel } from '../../dist/level.js';

const backend = new URL(location.href).searchParams.get('backend');
let stores = 0;
tape.onFinish(() => (globalThis.finished = true));
suite({
  test: tape,
  factory(options) {
    stores += 1;
    return new SiltLevel(`level-${backend}-${stores}`, { backend, ...options });
  },
});
