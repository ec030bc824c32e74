// What the pages of the tests offer to the tests: stores by name, spoken to in packed requests.
import { Reader, Writer } from '../../../js/bytes.js';
import { attach } from '../../../js/client.js';
import { connect } from '../../../js/connect.js';
import * as siltdb from '../../../js/index.js';
import { serve } from '../../../js/seat.js';
import { Session } from '../../../js/session.js';
import { destroy, list } from '../../../js/stores.js';
import type { Channel, ChannelEvent, ConnectOptions } from '../../../js/transport.js';
import * as wire from '../../../js/wire.js';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

class Store {
  events: ChannelEvent[] = [];
  worker: Worker | undefined;
  constructor(readonly channel: Channel) {
    channel.onEvent((event) => this.events.push(event));
  }

  async ask<T>(encode: (w: Writer) => void, decode: (r: Reader) => T): Promise<T> {
    const w = new Writer();
    encode(w);
    return decode(new Reader(await this.channel.send(w.take())));
  }

  set(key: string, value: string, durability?: wire.Durability, ifSeq?: number | null) {
    const write = { key: encoder.encode(key), value: encoder.encode(value), ifSeq };
    return this.ask((w) => wire.encodeWrite(w, [write], durability), wire.decodeWrite);
  }

  setMany(entries: [string, string][], durability?: wire.Durability) {
    const writes = entries.map(([key, value]) => {
      return { key: encoder.encode(key), value: encoder.encode(value) };
    });
    return this.ask((w) => wire.encodeWrite(w, writes, durability), wire.decodeWrite);
  }

  async record(key: string) {
    const got = await this.ask((w) => wire.encodeGet(w, encoder.encode(key)), wire.decodeGet);
    return got && { value: decoder.decode(got.value), seq: got.seq };
  }

  async get(key: string) {
    return (await this.record(key))?.value;
  }

  count() {
    return this.ask((w) => wire.encodeCount(w, {}), wire.decodeNumber);
  }

  async all(): Promise<[string, string][]> {
    const scan = { limit: 0, bytes: 0 };
    const { records } = await this.ask((w) => wire.encodeScan(w, scan), wire.decodeScan);
    const all: [string, string][] = [];
    while (!records.done) {
      const { key, value } = records.record(wire.packed);
      all.push([decoder.decode(key), decoder.decode(value)]);
    }
    return all;
  }

  sync() {
    return this.ask((w) => wire.encodePlain(w, wire.SYNC), wire.decodeNumber);
  }

  /** Adds one to a counter by compare-and-set, and says how often it had to be tried. */
  async increment(key: string): Promise<void> {
    for (;;) {
      const now = await this.record(key);
      try {
        await this.set(key, String(Number(now?.value ?? 0) + 1), undefined, now ? now.seq : null);
        return;
      } catch (e) {
        if ((e as { code?: string }).code !== 'SILT_CONDITION_FAILED') throw e;
      }
    }
  }

  info() {
    return this.channel.call('info') as Promise<{ backend: string; role: string }>;
  }

  async close() {
    await this.channel.close();
  }
}

const stores: Record<string, Store> = {};
const silts: Record<string, unknown> = {};
const workers: Worker[] = [];
let kept = 0;

/** Opens a store; `faults` are those of its first worker, see `worker.ts`. */
async function open(name: string, options: ConnectOptions = {}, faults = '', as = name) {
  const store = new Store(await reach(name, options, faults));
  stores[as] = store;
  return store;
}

/** The same with the client of the package, kept as `silts[name]`. */
async function silt(name: string, options: ConnectOptions = {}, faults = '') {
  silts[name] = await attach(new Session(await reach(name, options, faults)), {});
  return silts[name];
}

function reach(name: string, options: ConnectOptions, faults = '') {
  let last: Worker | undefined;
  const worker = () => {
    last = new Worker('/worker.js', { type: 'module', name: faults });
    last.addEventListener('message', ({ data }) => {
      if (data.t === 'kept') kept = data.replies;
    });
    // Only the first worker has the faults.
    faults = '';
    workers.push(last);
    return last;
  };
  return connect(name, { worker, wasm: '/siltdb.wasm', ...options });
}

/** Waits until a worker has done what its Nth reply is for, and kept it, see `worker.ts`. */
async function keptReply(n: number) {
  while (kept < n) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** Runs and gives the error as a value. */
async function told(run: () => Promise<unknown>) {
  try {
    return { value: await run() };
  } catch (e) {
    return { code: (e as { code?: string }).code, message: (e as Error).message };
  }
}

/** How many segments the last worker has open, see `files` in `worker.ts`. */
function openFiles(): Promise<number> {
  const worker = workers.at(-1) as Worker;
  return new Promise((resolve) => {
    worker.addEventListener('message', function hear({ data }) {
      if (data.t !== 'files') return;
      worker.removeEventListener('message', hear);
      resolve(data.files);
    });
    worker.postMessage({ t: 'files' });
  });
}

async function folder(name: string) {
  const root = await navigator.storage.getDirectory();
  const all = await root.getDirectoryHandle('siltdb', { create: true });
  return all.getDirectoryHandle(name, { create: true });
}

/** Files of a store that is closed, in base 64. */
async function files(name: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for await (const [file, handle] of (await folder(name)).entries()) {
    const bytes = await (await (handle as FileSystemFileHandle).getFile()).arrayBuffer();
    found[file] = btoa(Array.from(new Uint8Array(bytes), (b) => String.fromCharCode(b)).join(''));
  }
  return found;
}

async function putFiles(name: string, given: Record<string, string>) {
  const into = await folder(name);
  for (const [file, text] of Object.entries(given)) {
    const writable = await (await into.getFileHandle(file, { create: true })).createWritable();
    await writable.write(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)));
    await writable.close();
  }
}

async function removeFile(name: string, pattern: RegExp) {
  const from = await folder(name);
  const names: string[] = [];
  for await (const file of from.keys()) if (pattern.test(file)) names.push(file);
  for (const file of names) await from.removeEntry(file);
  return names;
}

Object.assign(globalThis, {
  serve, siltdb, destroy_: destroy, list_: list, open_: open, silt_: silt, silts, stores, workers,
  told, keptReply, files, putFiles, removeFile, openFiles,
});
