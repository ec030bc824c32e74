// The engine over files: the same files as in memory, and the same as the native tool's.

import assert from 'node:assert/strict';
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { after, test } from 'node:test';
import { ask, bytes, random, recordsOf, text } from './helpers.mjs';
import { Engine } from '../../build/js/engine.js';
import { MemoryStorage } from '../../build/js/memory.js';
import { NodeStorage } from '../../build/js/node-fs.js';
import * as wire from '../../build/js/wire.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const silt = process.env.SILT_BIN ?? join(root, 'target', 'debug', 'silt');
const scratch = fs.mkdtempSync(join(tmpdir(), 'siltdb-'));
after(() => fs.rmSync(scratch, { recursive: true, force: true }));
const BUFFER_BYTES = 2048;
let places = 0;
const place = () => join(scratch, `store-${(places += 1)}`);

/** Runs the native tool; what it prints. */
function native(dir, ...args) {
  return execFileSync(silt, ['--db', dir, ...args], { encoding: 'utf8' });
}

function withStore(dir, use, options = {}) {
  const storage = new NodeStorage(dir);
  try {
    const engine = Engine.open(storage, options);
    const result = use(engine);
    engine.close();
    return result;
  } finally {
    storage.shutSync();
  }
}

const set = (engine, key, value, durability) =>
  ask(engine, (w) => wire.encodeWrite(w, [{ key: bytes(key), value: bytes(value) }], durability),
    wire.decodeWrite);
const all = (engine) =>
  recordsOf(ask(engine, (w) => wire.encodeScan(w, { limit: 0, bytes: 0 }), wire.decodeScan))
    .map(({ key, value }) => {
      const { seq } = ask(engine, (w) => wire.encodeGet(w, key), wire.decodeGet);
      return { key: text(key), value: text(value), seq };
    });

/** A fixed clock and fixed salts, so that equal scripts give equal files. */
function fixed() {
  let now = 1_700_000_000_000;
  let drawn = 0x1234_5678_9abc_def0n;
  return {
    now: () => (now += 1),
    random: () => {
      drawn = BigInt.asUintN(64, drawn * 6364136223846793005n + 1442695040888963407n);
      return drawn;
    },
  };
}

/** A seeded script of every kind of change, with a clean close in the middle. */
function runScript(storage, seed) {
  const below = random(seed);
  const options = { segmentBytes: 16 << 10, retention: { versions: 2 }, ...fixed() };
  for (let half = 0; half < 2; half += 1) {
    const engine = Engine.open(storage, options);
    for (let step = 0; step < 700; step += 1) {
      const operations = Array.from({ length: 1 + below(4) }, () => {
        const key = bytes(`key/${below(200)}`);
        if (below(5) === 0) return { key };
        return { key, value: bytes('v'.repeat(below(300))) };
      });
      const durability = ['buffered', 'flushed', 'synced'][below(3)];
      ask(engine, (w) => wire.encodeWrite(w, operations, durability), wire.decodeWrite);
      if (below(20) === 0) while (engine.work(1 << 14));
      if (below(50) === 0) engine.tick();
    }
    engine.close();
  }
}

test('the same script writes the same files in memory and on disk', () => {
  for (const seed of [1, 2, 3]) {
    const memory = new MemoryStorage();
    runScript(memory, seed);
    const dir = place();
    const disk = new NodeStorage(dir);
    runScript(disk, seed);
    disk.shutSync();
    const names = memory.list().map(([name]) => name).sort();
    assert.ok(names.length > 2);
    assert.deepEqual(fs.readdirSync(dir).filter((name) => name !== 'LOCK').sort(), names);
    for (const name of names) {
      assert.ok(Buffer.from(memory.bytes(name)).equals(fs.readFileSync(join(dir, name))), name);
    }
  }
});

test('what Node wrote, the native tool reads, and the other way round', () => {
  const dir = place();
  const records = withStore(dir, (engine) => {
    for (let i = 0; i < 300; i += 1) set(engine, `river/${i % 100}`, `length ${i}`, 'synced');
    ask(engine, (w) => wire.encodeWrite(w, [{ key: bytes('river/7') }]), wire.decodeWrite);
    return all(engine);
  }, { segmentBytes: 4096, retention: 'forever' });
  assert.equal(records.length, 99);
  const told = (dir) => native(dir, '--json', 'scan').trim().split('\n').map((l) => JSON.parse(l));
  assert.deepEqual(told(dir), records);
  assert.match(native(dir, 'verify'), /./);
  assert.equal(native(dir, 'history', 'river/3').trim().split('\n').length, 3);
  native(dir, 'set', 'river/7', 'back');
  native(dir, 'del', 'river/8');
  native(dir, 'compact');
  const after = withStore(dir, all);
  assert.deepEqual(after, told(dir));
  assert.deepEqual(after.find((r) => r.key === 'river/7')?.value, 'back');
  assert.ok(!after.some((r) => r.key === 'river/8'));
});

test('a snapshot from Node is restored by the native tool, and the other way round', () => {
  const [dir, file, copy, back] = [place(), place(), place(), place()];
  const records = withStore(dir, (engine) => {
    for (let i = 0; i < 50; i += 1) set(engine, `k${i}`, 'v'.repeat(i));
    const pieces = [];
    engine.snapshot((piece) => pieces.push(piece.slice()));
    fs.writeFileSync(file, Buffer.concat(pieces));
    return all(engine);
  });
  native(dir, 'restore', file, copy);
  assert.deepEqual(withStore(copy, all), records);
  fs.rmSync(file);
  native(copy, 'snapshot', file);
  const source = fs.readFileSync(file);
  const restore = (damaged) => {
    const storage = new NodeStorage(back);
    let at = 0;
    try {
      Engine.restore(storage, (into) => {
        const part = damaged.subarray(at, at + Math.min(into.length, 1000));
        into.set(part);
        at += part.length;
        return part.length;
      });
    } finally {
      storage.shutSync();
    }
  };
  const flipped = Buffer.from(source);
  flipped[flipped.length >> 1] ^= 1;
  assert.throws(() => restore(flipped), { code: 'SILT_CORRUPT' });
  assert.throws(() => restore(source.subarray(0, 100)), {
    code: 'SILT_CORRUPT', message: /^not a whole snapshot: at byte 100 .* nothing was restored$/,
  });
  restore(source);
  assert.deepEqual(withStore(back, all), records);
  assert.throws(() => restore(source), { code: 'SILT_NOT_EMPTY' });
});

test('damage is told by a read', () => {
  const dir = place();
  withStore(dir, (engine) => {
    for (let i = 0; i < 200; i += 1) set(engine, `k${i}`, 'v'.repeat(50));
  }, { segmentBytes: 4096 });
  const name = fs.readdirSync(dir).filter((n) => n.endsWith('.segment')).sort()[0];
  const damaged = fs.readFileSync(join(dir, name));
  damaged[300] ^= 4;
  fs.writeFileSync(join(dir, name), damaged);
  // Whoever reads what is damaged is told where it is, and what to do.
  let offset;
  assert.throws(() => withStore(dir, all), ({ code, message }) => {
    const told = message.match(/^(\S+) is damaged at byte (\d+): .*`silt salvage`/);
    offset = Number(told?.[2]);
    // What is damaged is a record, of less than 100 bytes.
    return code === 'SILT_CORRUPT' && told?.[1] === name && offset > 200 && offset <= 300;
  });
  const message = new RegExp(`^${name} is damaged at byte ${offset}: `);
  const records = (w) => wire.encodeRecords(w, Number.parseInt(name, 10), offset, 100);
  assert.throws(() => withStore(dir, (engine) => ask(engine, records, wire.decodeJson)),
    { code: 'SILT_CORRUPT', message });
});

test('one opener at a time: in this process, in another one, and the native tool', async () => {
  const dir = place();
  const storage = new NodeStorage(dir);
  const engine = Engine.open(storage);
  set(engine, 'k', 'v', 'synced');
  assert.throws(() => new NodeStorage(dir),
    { code: 'SILT_LOCKED', message: /in use by this process: close it/ });
  const refused = spawnSync(silt, ['--db', dir, 'get', 'k'], { encoding: 'utf8' });
  assert.equal(refused.status, 5, refused.stderr);
  assert.match(refused.stderr, new RegExp(`SILT_LOCKED|process ${process.pid}`));
  engine.close();
  storage.shutSync();
  assert.equal(native(dir, 'get', 'k'), 'v');
  // The native tool holds the store while it waits for lines.
  const holder = spawn(silt, ['--db', dir, 'import', '-'], { stdio: ['pipe', 'ignore', 'ignore'] });
  try {
    const noted = new RegExp(`^${holder.pid} silt`);
    await until(() => noted.test(fs.readFileSync(join(dir, 'LOCK'), 'utf8')));
    assert.throws(() => new NodeStorage(dir),
      { code: 'SILT_LOCKED', message: new RegExp(`process ${holder.pid} \\(silt\\)`) });
  } finally {
    holder.kill('SIGKILL');
  }
  await new Promise((done) => holder.on('exit', done));
  // A killed holder is no holder.
  assert.deepEqual(withStore(dir, all).map((r) => r.key), ['k']);
});

test('a lock file that its holder takes away at its end keeps the next ones out again', {
  skip: process.platform !== 'linux' && 'only Linux locks by a program',
}, (t) => {
  const dir = place();
  fs.mkdirSync(dir);
  // The program stands for a moment of another process: it ends between open and lock.
  const programs = place();
  fs.mkdirSync(programs);
  const lock = join(dir, 'LOCK');
  const path = process.env.PATH;
  const script = `#!/bin/sh\nPATH='${path}'\n[ -e '${dir}/done' ] || rm '${lock}'\n`
    + `: > '${dir}/done'\nexec flock "$@"\n`;
  fs.writeFileSync(join(programs, 'flock'), script, { mode: 0o755 });
  process.env.PATH = `${programs}:${path}`;
  t.after(() => (process.env.PATH = path));
  const storage = new NodeStorage(dir);
  fs.rmSync(join(dir, 'done'));
  process.env.PATH = path;
  assert.ok(fs.existsSync(lock));
  assert.throws(() => new NodeStorage(dir), { code: 'SILT_LOCKED' });
  storage.shutSync();
});

for (const durability of ['synced', 'flushed', 'buffered']) {
  test(`a killed Node process leaves what it acknowledged as ${durability}, and no lock`, async () => {
    const dir = place();
    const writer = fileURLToPath(new URL('writer.mjs', import.meta.url));
    const child = spawn(process.execPath, [writer, dir, durability, BUFFER_BYTES],
      { stdio: ['ignore', 'pipe', 'inherit'] });
    let acknowledged = '';
    child.stdout.on('data', (data) => {
      acknowledged += data;
      if (acknowledged.length > 4000) child.kill('SIGKILL');
    });
    const [, signal] = await once(child, 'close');
    assert.equal(signal, 'SIGKILL');
    const count = acknowledged.split('\n').length - 1;
    const found = withStore(dir, all);
    // The first ones without a hole, in the order they were written.
    for (const [i, { key, value }] of found.sort((a, b) => a.seq - b.seq).entries()) {
      assert.deepEqual([key, value], [`key-${i}`, `value of key-${i}`]);
    }
    // The last one may have been written and not told.
    assert.ok(found.length <= count + 1);
    // What was buffered, more than these bytes for each, is all that is lost.
    const lost = durability === 'buffered' ? BUFFER_BYTES / 'key-0value of key-0'.length : 0;
    assert.ok(found.length >= count - lost, `${found.length} of ${count}`);
  });
}

test('places that are no stores, or not to be trusted, are refused', () => {
  const none = place();
  assert.throws(() => new NodeStorage(none, { create: false }), { code: 'SILT_NO_STORE' });
  assert.ok(!fs.existsSync(none));
  const foreign = place();
  fs.mkdirSync(foreign);
  fs.writeFileSync(join(foreign, 'letter.txt'), 'mine');
  assert.throws(() => new NodeStorage(foreign), { code: 'SILT_NO_STORE' });
  assert.deepEqual(fs.readdirSync(foreign), ['letter.txt']);
  const open = place();
  fs.mkdirSync(open);
  fs.chmodSync(open, 0o777);
  assert.throws(() => new NodeStorage(open), { code: 'SILT_DENIED', message: /chmod o-w/ });
  assert.throws(() => new NodeStorage(join(foreign, 'letter.txt')), { code: 'SILT_DENIED' });
});

test('links are not followed', () => {
  const dir = place();
  withStore(dir, (engine) => set(engine, 'k', 'v'));
  const target = place();
  const name = fs.readdirSync(dir).find((n) => n.endsWith('.manifest'));
  fs.renameSync(join(dir, name), target);
  fs.symlinkSync(target, join(dir, name));
  assert.throws(() => withStore(dir, all), { code: 'SILT_DENIED' });
});

test('synced appends find space reserved ahead, which is given back', () => {
  const dir = place();
  const name = `${'1'.padStart(16, '0')}.segment`;
  const storage = new NodeStorage(dir);
  const file = storage.create(name);
  const size = () => fs.statSync(join(dir, name)).size;
  const sizes = new Set();
  const written = Uint8Array.from({ length: 200_000 }, (_, at) => 1 + (at >> 8) % 255);
  for (let end = 1000; end <= written.length; end += 1000) {
    storage.append(file, written.subarray(end - 1000, end));
    storage.sync(file);
    sizes.add(size());
    const found = new Uint8Array(size());
    storage.read(file, 0, found);
    assert.ok(found.every((byte, at) => byte === (at < end ? written[at] : 0)), `${end}`);
  }
  // Not before there was a sync, then in steps that double.
  const [first, second, third] = [2000 + (64 << 10), 68_000 + (128 << 10), 200_000 + (256 << 10)];
  assert.deepEqual([...sizes], [1000, first, second, third]);
  storage.close(file);
  assert.deepEqual(fs.readFileSync(join(dir, name)), Buffer.from(written));
  storage.shutSync();
});

test('where no space can be reserved, files grow up to the last byte', () => {
  const dir = place();
  const script = `
    import { NodeStorage } from ${JSON.stringify(new URL('../../build/js/node-fs.js', import.meta.url))};
    const storage = new NodeStorage(${JSON.stringify(dir)});
    const file = storage.create('${'1'.padStart(16, '0')}.segment');
    let end = 0;
    try {
      for (;; end += 1000) {
        storage.append(file, new Uint8Array(1000).fill(1));
        storage.sync(file);
      }
    } catch (e) {
      console.log(end, e.code);
    }`;
  // The limit is 100 KiB for a file.
  const limited = 'trap "" XFSZ; ulimit -f 100; exec "$0" --input-type=module -e "$1"';
  const told = execFileSync('bash', ['-c', limited, process.execPath, script], { encoding: 'utf8' });
  assert.equal(told, '102000 SILT_OUT_OF_SPACE\n');
});

test('an open that finds no space for a new store leaves nothing', () => {
  const dir = place();
  const script = `
    import { open } from ${JSON.stringify(new URL('../../dist/node.js', import.meta.url))};
    await open(${JSON.stringify(dir)}).catch((e) => console.log(e.code));`;
  const limited = 'trap "" XFSZ; ulimit -f 0; exec "$0" --input-type=module -e "$1"';
  const told = spawnSync('bash', ['-c', limited, process.execPath, script], { encoding: 'utf8' });
  assert.equal(told.stdout, 'SILT_OUT_OF_SPACE\n', told.stderr);
  assert.ok(!fs.existsSync(dir), `${fs.existsSync(dir) && fs.readdirSync(dir)}`);
});

test('what is synced into a file that somebody has removed is not acknowledged', {
  skip: process.platform === 'win32' && 'files that are open cannot be removed there',
}, () => {
  const dir = place();
  const storage = new NodeStorage(dir);
  const engine = Engine.open(storage);
  set(engine, 'a', '1', 'synced');
  fs.rmSync(dir, { recursive: true });
  assert.throws(() => set(engine, 'b', '2', 'synced'),
    { code: 'SILT_NOT_FOUND', message: /removed/ });
  assert.throws(() => set(engine, 'c', '3', 'synced'), { code: 'SILT_POISONED' });
  assert.throws(() => engine.close(), { code: 'SILT_POISONED' });
  storage.shutSync();
});

test('the storage keeps its contract', () => {
  const dir = place();
  const storage = new NodeStorage(dir);
  const [segment, manifest] = ['0000000000000001.segment', '0000000000000001.manifest'];
  const w = storage.create(segment);
  assert.throws(() => storage.create(segment), { code: 'SILT_ALREADY_EXISTS' });
  storage.append(w, bytes('hello '));
  const r = storage.open(segment);
  storage.append(w, bytes('world'));
  storage.sync(w);
  const into = new Uint8Array(5);
  storage.read(r, 6, into);
  assert.equal(text(into), 'world');
  assert.throws(() => storage.read(r, 7, into), { code: 'SILT_UNEXPECTED_END' });
  assert.equal(storage.size(r), 11);
  storage.close(w);
  assert.throws(() => storage.append(w, into), { code: 'SILT_IO' });
  assert.throws(() => storage.resume(segment, 12), { code: 'SILT_UNEXPECTED_END' });
  const again = storage.resume(segment, 5);
  storage.append(again, bytes('!'));
  assert.equal(fs.readFileSync(join(dir, segment), 'utf8'), 'hello!');
  storage.publish(manifest, bytes('whole'));
  assert.throws(() => storage.publish(manifest, bytes('other')), { code: 'SILT_ALREADY_EXISTS' });
  assert.deepEqual(storage.list().sort(), [[manifest, 5], [segment, 6]]);
  assert.throws(() => storage.open('0000000000000009.segment'), { code: 'SILT_NOT_FOUND' });
  storage.remove(manifest);
  storage.remove(manifest);
  storage.shutSync();
  fs.writeFileSync(join(dir, `${manifest}.tmp`), 'half');
  new NodeStorage(dir).shutSync();
  assert.deepEqual(fs.readdirSync(dir).sort(), [segment, 'LOCK']);
});

async function until(holds) {
  for (let tries = 0; tries < 600; tries += 1) {
    if (holds()) return;
    await new Promise((done) => setTimeout(done, 50));
  }
  assert.fail('nothing happened for 30 seconds');
}
