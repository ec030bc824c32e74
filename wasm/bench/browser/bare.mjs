// No store, but what any store in a worker's file comes to at least: a map of keys to places in
// one file that only grows. No checks, nothing that is found again later.

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Opens it in the worker that runs this. */
export async function openBare({ name, synced }) {
  const root = await navigator.storage.getDirectory();
  const file = await root.getFileHandle(name, { create: true });
  const handle = await file.createSyncAccessHandle();
  const places = new Map();
  let end = 0;
  const append = (pairs) => {
    const values = pairs.map(([key, value]) => [key, encoder.encode(value)]);
    const bytes = new Uint8Array(values.reduce((sum, [, value]) => sum + value.length, 0));
    let at = 0;
    for (const [key, value] of values) {
      bytes.set(value, at);
      places.set(key, { at: end + at, length: value.length });
      at += value.length;
    }
    handle.write(bytes, { at: end });
    end += at;
    if (synced) handle.flush();
  };
  const get = (key) => {
    const { at, length } = places.get(key);
    const bytes = new Uint8Array(length);
    handle.read(bytes, { at });
    return decoder.decode(bytes);
  };
  return {
    set: (key, value) => append([[key, value]]),
    batch: append,
    get,
    getMany: (keys) => keys.map(get),
    close: () => handle.close(),
  };
}
