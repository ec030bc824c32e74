// The two SQLites on pools of OPFS files, in the worker that runs this: a table of keys and
// values, sqlite-wasm in WAL mode, wa-sqlite with the journal that its pool knows.

const TABLE = 'CREATE TABLE IF NOT EXISTS kv (k TEXT PRIMARY KEY, v TEXT) WITHOUT ROWID';
const PUT = 'INSERT OR REPLACE INTO kv VALUES (?, ?)';
const GET = 'SELECT v FROM kv WHERE k = ?';
const RANGE = 'SELECT k, v FROM kv WHERE k >= ? ORDER BY k LIMIT ?';

async function official({ name, synced }) {
  const { default: init } = await import('@sqlite.org/sqlite-wasm');
  const sqlite = await init({ print() {}, printErr() {} });
  const pool = await sqlite.installOpfsSAHPoolVfs({ name, directory: `/${name}` });
  const db = new pool.OpfsSAHPoolDb('/bench.db');
  db.exec(`PRAGMA locking_mode=exclusive; PRAGMA journal_mode=wal;
    PRAGMA synchronous=${synced ? 'full' : 'normal'}; ${TABLE}`);
  const [put, get, range] = [PUT, GET, RANGE].map((sql) => db.prepare(sql));
  const one = (key) => {
    const value = get.bind([key]).step() ? get.getString(0) : undefined;
    get.reset();
    return value;
  };
  return {
    set: (key, value) => void put.bind([key, value]).stepReset(),
    batch: (pairs) => db.transaction(() => {
      for (const pair of pairs) put.bind(pair).stepReset();
    }),
    get: one,
    getMany: (keys) => keys.map(one),
    range: (from, limit) => {
      const rows = [];
      for (range.bind([from, limit]); range.step(); ) rows.push(range.get([]));
      range.reset();
      return rows;
    },
    close: () => {
      for (const statement of [put, get, range]) statement.finalize();
      db.close();
    },
  };
}

async function other({ name, synced }) {
  const { default: factory } = await import('wa-sqlite/dist/wa-sqlite.mjs');
  const { Factory } = await import('wa-sqlite');
  const { AccessHandlePoolVFS } = await import('wa-sqlite/src/examples/AccessHandlePoolVFS.js');
  const module = await factory({ locateFile: () => new URL('./wa-sqlite.wasm', import.meta.url).href });
  const sqlite = Factory(module);
  const vfs = new AccessHandlePoolVFS(`/${name}`);
  await vfs.isReady;
  sqlite.vfs_register(vfs, true);
  const db = await sqlite.open_v2('bench.db');
  await sqlite.exec(db, `PRAGMA locking_mode=exclusive; PRAGMA journal_mode=persist;
    PRAGMA synchronous=${synced ? 'full' : 'normal'}; ${TABLE}`);
  const statements = [];
  for (const sql of [PUT, GET, RANGE]) {
    const text = sqlite.str_new(db, sql);
    statements.push((await sqlite.prepare_v2(db, sqlite.str_value(text))).stmt);
  }
  const [put, get, range] = statements;
  // Its calls are asynchronous, and a statement is used by one at a time.
  let last = Promise.resolve();
  const inTurn = (run) => (...a) => (last = last.catch(() => {}).then(() => run(...a)));
  const rows = async (statement, bindings) => {
    sqlite.bind_collection(statement, bindings);
    const found = [];
    while ((await sqlite.step(statement)) === 100) found.push(sqlite.row(statement));
    await sqlite.reset(statement);
    return found;
  };
  const one = async (key) => (await rows(get, [key]))[0]?.[0];
  return {
    set: inTurn((key, value) => rows(put, [key, value])),
    batch: inTurn(async (pairs) => {
      await sqlite.exec(db, 'BEGIN');
      for (const pair of pairs) await rows(put, pair);
      await sqlite.exec(db, 'COMMIT');
    }),
    get: inTurn(one),
    getMany: inTurn(async (keys) => {
      const found = [];
      for (const key of keys) found.push(await one(key));
      return found;
    }),
    range: inTurn((from, limit) => rows(range, [from, limit])),
    close: async () => {
      for (const statement of statements) await sqlite.finalize(statement);
      await sqlite.close(db);
      await vfs.close();
    },
  };
}

/** Opens one of the two. */
export const openSqlite = (options) =>
  options.module === 'sqlite-wasm' ? official(options) : other(options);
