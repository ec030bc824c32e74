// The workloads, one row each, in a page, in a worker and in Node: microseconds an operation, on a
// store that is opened for it alone.
//
// A store is { set, batch(pairs), get, getMany?, range?(from, limit), close }. What it answers is
// judged when the time was taken, and what a row has put is read again.

/** Keys of a store; fewer where little is measured. */
export let KEYS = 10_000;
export const keyOf = (i) => `key/${String(i).padStart(8, '0')}`;
/** So many numbers one by one, each once, in no order. */
export const scattered = (i, among) => (i * 7919) % among;
const spread = (i) => scattered(i, KEYS);

// Values that do not pack, the same in every page: a tenth of the records share one.
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
let state = 7;
// Joined: what is put together letter by letter is only made one string where it is first used,
// at the cost of the store that happens to come first.
const noise = (length) => Array.from({ length }, () => {
  state = (state * 48_271) % 2_147_483_647;
  return ALPHABET[(state >> 8) & 63];
}).join('');
const VALUES = Array.from({ length: 1000 }, () => noise(100));
const BIG = Array.from({ length: 10 }, () => noise(64 << 10));
export const valueOf = (i) => VALUES[i % VALUES.length];
/** What put number `i` writes: another value than its key has, which some stores would not write. */
const putOf = (i) => valueOf(i + Math.floor(i / KEYS));
const bigOf = (i) => BIG[i % BIG.length];

/** Keys of batches: new ones. */
const newKey = (i) => scattered(i, 1 << 18);

const upTo = (count, make) => Array.from({ length: count }, (_, i) => make(i));
/** Entries from number `from` on, of a thousand, whose keys `number` gives. */
const thousand = (from, number, shift = 0) => upTo(1000, (i) => {
  const at = number(from + i);
  return [keyOf(at), valueOf(at + shift)];
});
const hundred = (i) => upTo(100, (j) => spread(i * 100 + j));

export async function load(store, keys = KEYS, shift = 0) {
  const number = (i) => scattered(i, keys);
  for (let at = 0; at < keys; at += 1000) await store.batch(thousand(at, number, shift));
}

const loaded = (store) => load(store);

/** Throws unless these are the values. */
export function same(found, wanted) {
  const wrong = wanted.findIndex((value, i) => found[i] !== value);
  if (wrong >= 0) throw new Error(`value ${wrong} of ${wanted.length} is another one`);
  if (found.length !== wanted.length) {
    throw new Error(`${found.length} values instead of ${wanted.length}`);
  }
}

/** The values that a range has answered, which may be pairs. */
const valuesIn = (found) => found.map((one) => (typeof one === 'string' ? one : one[1]));

/** Values of the first keys that there are, whose numbers are these. */
const valuesOf = async (store, numbers = upTo(KEYS, (i) => i)) => store.range
  ? valuesIn(await store.range(keyOf(0), numbers.length))
  : Promise.all(numbers.map((number) => store.get(keyOf(number))));

/** Throws unless all that was loaded and put is there; `puts` went to keys as `spread` has them. */
async function holds(store, puts) {
  const wanted = upTo(KEYS, valueOf);
  for (let i = 0; i < puts; i += 1) wanted[spread(i)] = putOf(i);
  same(await valuesOf(store), wanted);
}

/** The same of what came in batches: the first of all keys that were written. */
async function holdsNew(store, written) {
  const keys = upTo(written, newKey).sort((a, b) => a - b).slice(0, KEYS);
  same(await valuesOf(store, keys), keys.map(valueOf));
}

/** Loads everything and overwrites it so many times; bytes of what is live then. */
export async function churn(store, times) {
  for (let round = 0; round <= times; round += 1) await load(store, KEYS, round);
  same(await valuesOf(store), upTo(KEYS, (i) => valueOf(i + times)));
  return KEYS * (keyOf(0).length + valueOf(0).length);
}

async function putBig(store, count) {
  for (let i = 0; i < count; i += 1) await store.set(`big/${i}`, bigOf(i));
}

/**
 * A row: how often `run` is called, which does `has` operations at once; what is done `before`,
 * what the store `needs` to offer, whether it is `synced`. Then `answer` judges what each call was
 * answered, and `after` what is there, given how many operations there were.
 */
export const ROWS = {
  'put awaited': { before: loaded, count: (n) => n(1500), after: holds,
    run: (s, i) => s.set(keyOf(spread(i)), putOf(i)) },
  'put awaited, synced': { before: loaded, synced: true, count: (n) => n(300), after: holds,
    run: (s, i) => s.set(keyOf(spread(i)), putOf(i)) },
  '100 puts in flight, each': { before: loaded, count: (n) => n(150), has: 100, after: holds,
    run: (s, i) => Promise.all(upTo(100, (j) =>
      s.set(keyOf(spread(i * 100 + j)), putOf(i * 100 + j)))) },
  'batches of 1,000, per entry': { count: (n) => n(100), has: 1000, after: holdsNew,
    run: (s, i) => s.batch(thousand(i * 1000, newKey)) },
  'batches of 1,000 in order, per entry': { count: (n) => n(100), has: 1000,
    after: (s) => holds(s, 0), run: (s, i) => s.batch(thousand(i * 1000, (at) => at)) },
  'get awaited': { before: loaded, count: (n) => n(2000),
    run: (s, i) => s.get(keyOf(spread(i))),
    answer: (found, i) => same([found], [valueOf(spread(i))]) },
  'getMany of 100, per key': { before: loaded, needs: 'getMany', count: (n) => n(60), has: 100,
    run: (s, i) => s.getMany(hundred(i).map(keyOf)),
    answer: (found, i) => same(found, hundred(i).map(valueOf)) },
  'range of 100': { before: loaded, needs: 'range', count: (n) => n(200),
    run: (s, i) => s.range(keyOf(spread(i) % (KEYS - 100)), 100),
    answer: (found, i) => same(valuesIn(found),
      upTo(100, (j) => valueOf((spread(i) % (KEYS - 100)) + j))) },
  'full scan, per record': { before: loaded, needs: 'range', count: () => 3, has: 'all',
    run: (s) => s.range(keyOf(0), KEYS),
    answer: (found) => same(valuesIn(found), upTo(KEYS, valueOf)) },
  'put of 64 KiB': { count: (n) => n(100), run: (s, i) => s.set(`big/${i}`, bigOf(i)),
    after: async (s, count) => same(await Promise.all(upTo(count, (i) => s.get(`big/${i}`))),
      upTo(count, bigOf)) },
  'get of 64 KiB': { before: putBig, count: (n) => n(100), run: (s, i) => s.get(`big/${i}`),
    answer: (found, i) => same([found], [bigOf(i)]) },
};

/** Microseconds that one of `count` calls takes, the first of them that of number `from`. */
async function time(store, { run, answer }, from, count) {
  const answers = [];
  const began = performance.now();
  for (let i = from; i < from + count; i += 1) {
    const running = run(store, i);
    // What answers at once is not awaited: that would be measured, too.
    answers.push(running?.then ? await running : running);
  }
  const us = ((performance.now() - began) * 1000) / count;
  if (answer) answers.forEach((found, at) => answer(found, from + at));
  return us;
}

/** Reads go on for so long, as a warm-up and then measured: a thousand of them may take 1 ms. */
const READS_MS = 150;

/** The same of calls that are made once, or of reads, which are made again. */
async function timed(store, row, from, count) {
  let us = 0;
  let times = 0;
  do {
    us += (await time(store, row, from, count)) * count;
    times += 1;
  } while (row.answer && us < READS_MS * 1000);
  return us / times / count;
}

/**
 * Measures a row on what `open` opens, given whether it is to be synced; undefined where that has
 * no such thing.
 */
export async function measure(open, name, scale) {
  const row = ROWS[name];
  if (scale < 1) KEYS = 1000 * Math.max(2, Math.round(scale * 10));
  const store = await open(row.synced === true);
  try {
    if (row.needs && !store[row.needs]) return undefined;
    const times = (part) => row.count((count) => Math.max(5, Math.round(count * part)));
    const count = times(scale);
    // However little is measured: what engines compile as they go takes the same number of calls.
    const warm = times(0.4);
    await row.before?.(store, warm + count);
    // By calls that are not made again: some stores write nothing where a put changes nothing.
    await timed(store, row, 0, warm);
    const us = await timed(store, row, warm, count);
    const has = row.has === 'all' ? KEYS : row.has ?? 1;
    await row.after?.(store, (warm + count) * has);
    return us / has;
  } finally {
    await store.close();
  }
}
