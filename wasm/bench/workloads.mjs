// The workloads: the same for every store, in a page and in Node. Values have 100 bytes.
//
// A store is { name, set, setSynced?, batch(pairs), get, getMany?, range(from, count), close }.

const KEYS = 10_000;
export const keyOf = (i) => `key/${String(i).padStart(8, '0')}`;
export const VALUE = 'v'.repeat(100);
const BIG = 'b'.repeat(64 << 10);
const spread = (i) => (i * 7919) % KEYS;

/** Microseconds that one of `count` runs takes. */
async function time(count, run) {
  const began = performance.now();
  await run(count);
  return ((performance.now() - began) * 1000) / count;
}

const serial = (call) => async (count) => {
  for (let i = 0; i < count; i += 1) await call(i);
};

/** Runs every workload that the store has; microseconds an operation. */
export async function measure(store, scale = 1) {
  const times = {};
  const n = (count) => Math.max(10, Math.round(count * scale));
  const pairs = (from, count) =>
    Array.from({ length: count }, (_, i) => [keyOf(from + i), VALUE]);
  times['batches of 1,000, per entry'] = (await time(KEYS / 1000, serial((i) =>
    store.batch(pairs(i * 1000, 1000))))) / 1000;
  times['put awaited'] = await time(n(2000), serial((i) => store.set(keyOf(spread(i)), VALUE)));
  if (store.setSynced) {
    times['put awaited, synced'] = await time(n(300), serial((i) =>
      store.setSynced(keyOf(spread(i)), VALUE)));
  }
  times['100 puts in flight'] = (await time(n(50), serial((i) => Promise.all(
    Array.from({ length: 100 }, (_, j) => store.set(keyOf(spread(i * 100 + j)), VALUE)))))) / 100;
  times['get awaited'] = await time(n(3000), serial(async (i) => {
    if ((await store.get(keyOf(spread(i)))) !== VALUE) throw new Error('another value');
  }));
  if (store.getMany) {
    times['getMany of 100, per key'] = (await time(n(100), serial((i) => store.getMany(
      Array.from({ length: 100 }, (_, j) => keyOf(spread(i * 100 + j))))))) / 100;
  }
  if (store.range) {
    times['range of 100'] = await time(n(300), serial(async (i) => {
      const found = await store.range(keyOf(spread(i) % (KEYS - 100)), 100);
      if (found !== 100) throw new Error(`${found} records instead of 100`);
    }));
    times['full scan, per record'] = await time(KEYS, () => store.range(keyOf(0), KEYS));
  }
  times['put of 64 KiB'] = await time(n(100), serial((i) => store.set(`big/${i}`, BIG)));
  times['get of 64 KiB'] = await time(n(100), serial((i) => store.get(`big/${i}`)));
  return times;
}

/** A table of results: workloads down, stores across. */
export function table(results) {
  const stores = Object.keys(results);
  const rows = [...new Set(stores.flatMap((name) => Object.keys(results[name])))];
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [
    line(['microseconds', ...stores]),
    line(['---', ...stores.map(() => '---')]),
    ...rows.map((row) => line([row, ...stores.map((name) =>
      results[name][row]?.toFixed(1) ?? '')])),
  ].join('\n');
}
