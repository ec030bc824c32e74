// The workloads, one row each: microseconds an operation, on a store that is opened for it alone.

/** Keys of a store; fewer where little is measured. */
export let KEYS = 10_000;
export function setScale(scale) {
  KEYS = scale < 1 ? 1000 * Math.max(1, Math.round(scale * 10)) : 10_000;
}
export const keyOf = (i) => `key/${String(i).padStart(8, '0')}`;
const spread = (i) => (i * 7919) % KEYS;

// Values that do not pack, the same in every page: a tenth of the records share one.
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
let state = 7;
function noise(length) {
  let text = '';
  while (text.length < length) {
    state = (state * 48_271) % 2_147_483_647;
    text += ALPHABET[(state >> 8) & 63];
  }
  return text;
}
const VALUES = Array.from({ length: 1000 }, () => noise(100));
const BIG = noise(64 << 10);
export const valueOf = (i) => VALUES[i % VALUES.length];

const pairs = (from, count, shift = 0) =>
  Array.from({ length: count }, (_, i) => [keyOf(from + i), valueOf(from + i + shift)]);

/** Microseconds that one of `count` runs takes. */
async function time(count, run) {
  const began = performance.now();
  for (let i = 0; i < count; i += 1) {
    const running = run(i);
    // What answers at once is not awaited: that would be measured, too.
    if (running?.then) await running;
  }
  return ((performance.now() - began) * 1000) / count;
}

export async function load(store, keys = KEYS, shift = 0) {
  for (let at = 0; at < keys; at += 1000) await store.batch(pairs(at, 1000, shift));
}

function same(found, i) {
  if (found !== valueOf(i)) throw new Error(`${keyOf(i)} has another value`);
}

const checked = (found, i) => found?.then
  ? found.then((value) => same(value, i))
  : same(found, i);

/** A row: what it needs to be there before, whether it is synced, and the measuring. */
export const ROWS = {
  'put awaited': { loaded: true, run: (s, n) =>
    time(n(1500), (i) => s.set(keyOf(spread(i)), valueOf(i))) },
  'put awaited, synced': { loaded: true, synced: true, run: (s, n) =>
    time(n(300), (i) => s.set(keyOf(spread(i)), valueOf(i))) },
  '100 puts in flight, each': { loaded: true, run: async (s, n) =>
    (await time(n(30), (i) => Promise.all(Array.from({ length: 100 }, (_, j) =>
      s.set(keyOf(spread(i * 100 + j)), valueOf(j)))))) / 100 },
  'batches of 1,000, per entry': { run: async (s) =>
    (await time(KEYS / 1000, (i) => s.batch(pairs(i * 1000, 1000)))) / 1000 },
  'get awaited': { loaded: true, run: (s, n) =>
    time(n(2000), (i) => checked(s.get(keyOf(spread(i))), spread(i))) },
  'getMany of 100, per key': { loaded: true, needs: 'getMany', run: async (s, n) =>
    (await time(n(60), async (i) => {
      const wanted = Array.from({ length: 100 }, (_, j) => spread(i * 100 + j));
      const found = await s.getMany(wanted.map(keyOf));
      wanted.forEach((k, j) => same(found[j], k));
    })) / 100 },
  'range of 100': { loaded: true, needs: 'range', run: (s, n) =>
    time(n(200), async (i) => {
      const found = await s.range(keyOf(spread(i) % (KEYS - 100)), 100);
      if (found.length !== 100) throw new Error(`${found.length} records`);
    }) },
  'full scan, per record': { loaded: true, needs: 'range', run: async (s) =>
    (await time(3, async () => {
      const found = await s.range(keyOf(0), KEYS);
      if (found.length !== KEYS) throw new Error(`${found.length} records`);
    })) / KEYS },
  'put of 64 KiB': { run: (s, n) => time(n(100), (i) => s.set(`big/${i}`, BIG)) },
  'get of 64 KiB': { run: async (s, n) => {
    const count = n(100);
    for (let i = 0; i < count; i += 1) await s.set(`big/${i}`, BIG);
    return time(count, async (i) => {
      if ((await s.get(`big/${i}`)).length !== BIG.length) throw new Error('another value');
    });
  } },
};
