// A worker that has an SQLite, for pages: calls come by message and are done in order.

import { openSqlite } from './sqlite.mjs';

let store;
let last = Promise.resolve();
onmessage = ({ data: { n, m, a } }) => {
  last = last.then(async () => {
    try {
      if (m === 'open') store = await openSqlite(...a);
      postMessage({ n, v: m === 'open' ? undefined : await store[m](...a) });
    } catch (error) {
      postMessage({ n, e: String(error) });
    }
  });
};
