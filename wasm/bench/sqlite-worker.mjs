// The side of SQLite that runs in a worker: a table of keys and values, in WAL mode.

import init from '@sqlite.org/sqlite-wasm';

let db;

const METHODS = {
  async open() {
    const sqlite = await init({ print() {}, printErr() {} });
    const pool = await sqlite.installOpfsSAHPoolVfs({ clearOnInit: true });
    db = new pool.OpfsSAHPoolDb('/bench.db');
    db.exec(`PRAGMA locking_mode=exclusive; PRAGMA journal_mode=wal; PRAGMA synchronous=normal;
      CREATE TABLE kv (k TEXT PRIMARY KEY, v TEXT) WITHOUT ROWID`);
  },
  batch(pairs) {
    db.transaction(() => {
      const statement = db.prepare('INSERT OR REPLACE INTO kv VALUES (?, ?)');
      for (const pair of pairs) statement.bind(pair).stepReset();
      statement.finalize();
    });
  },
  get: (key) => db.selectValue('SELECT v FROM kv WHERE k = ?', key),
  getMany: (keys) => keys.map((key) => METHODS.get(key)),
  range: (bounds) => db.selectArrays('SELECT k, v FROM kv WHERE k >= ? ORDER BY k LIMIT ?', bounds),
};

// One after the other, as they come.
let last = Promise.resolve();
onmessage = ({ data: { n, m, a } }) => {
  last = last.then(async () => {
    try {
      postMessage({ n, v: await METHODS[m](a) });
    } catch (error) {
      postMessage({ n, e: String(error) });
    }
  });
};
