// A worker that has an SQLite, or a bare file, for pages: calls come by message and are done in
// order.

import { openBare } from './bare.mjs';
import { openSqlite } from './sqlite.mjs';

const open = (options) => (options.module === 'bare' ? openBare : openSqlite)(options);

let store;
let last = Promise.resolve();
onmessage = ({ data: { n, m, a } }) => {
  last = last.then(async () => {
    try {
      if (m === 'open') store = await open(...a);
      postMessage({ n, v: m === 'open' ? undefined : await store[m](...a) });
    } catch (error) {
      postMessage({ n, e: String(error) });
    }
  });
};
