// The memory between a page and its worker, from both ends, in two threads of Node.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { Line } from '../../build/js/line.js';
import { attend, LineEnd } from '../../build/js/line-end.js';
import { ASKED, FREE, LOOKS, NUMBER, STATE } from '../../build/js/line-memory.js';

// What has an open channel does not end.
const ports = [];
globalThis.MessageChannel = class extends MessageChannel {
  constructor() {
    super();
    ports.push(this.port1);
  }
};
after(() => ports.forEach((port) => port.close()));

/** A page's end, its memory, and the worker's end that looks there. */
function lay() {
  let memory;
  const line = new Line({ postMessage: (message) => (memory = message.memory) });
  const end = new LineEnd(memory);
  end.looks = true;
  return { line, end, memory };
}

const request = (n, length = 3) => ({ t: 'send', n, b: new Uint8Array(length).fill(n) });

/** Asks until it is taken: the other thread may not be awake yet. */
function ask(line, n) {
  for (let told = false; ; ) {
    told = line.ask(request(n));
    if (told !== false) return told;
  }
}

const OTHER = `
  const { parentPort, workerData } = require('node:worker_threads');
  const { memory, ms, length, last, module } = workerData;
  import(module).then(({ LineEnd }) => {
    const end = new LineEnd(memory);
    parentPort.postMessage('ready');
    let taken, here;
    do {
      while (!(taken = end.take()));
      for (const until = performance.now() + ms; performance.now() < until;);
      const b = new Uint8Array(length).fill(taken.b[0] + 1);
      here = end.answer({ t: 'reply', n: taken.n, b, s: 2 ** 50 });
    } while (taken.n < last);
    parentPort.postMessage({ taken, here });
  });
`;

/**
 * What is told of the last of so many requests when another thread answers each after so long with
 * so many bytes, and whether it did so at the line.
 */
async function asked(last, { ms = 0, length = 5 }) {
  const { line, memory } = lay();
  const module = new URL('../../build/js/line-end.js', import.meta.url).href;
  const workerData = { memory, ms, length, last, module };
  const worker = new Worker(OTHER, { eval: true, workerData });
  await once(worker, 'message');
  const tellings = [];
  for (let n = 1; n <= last; n += 1) tellings.push(ask(line, n));
  const [{ taken, here }] = await once(worker, 'message');
  assert.deepEqual([taken.n, [...taken.b]], [last, [last, last, last]]);
  return { tellings, here, line, memory };
}

test('a request is answered where it was asked', async () => {
  const { tellings } = await asked(200, {});
  // A thread that was just started is late, and others may have the processors.
  const here = tellings.filter((told) => told !== true);
  assert.ok(here.length > 20, `${here.length}`);
  for (const told of here) {
    const { n } = told;
    assert.deepEqual(told, { t: 'reply', n, b: new Uint8Array(5).fill(n + 1), s: 2 ** 50 });
  }
});

test('an answer that is late or large goes by message, and the line is free after', async () => {
  for (const how of [{ ms: 100 }, { length: 1 << 16 }]) {
    const { tellings, here, line, memory } = await asked(1, how);
    assert.deepEqual([tellings, here], [[true], false]);
    // Nobody takes this one; what is taken back is not there for anyone.
    assert.equal(line.ask(request(8)), false);
    assert.equal(new LineEnd(memory).take(), undefined);
  }
});

test('what cannot be answered at once is left to a message at once', async () => {
  const { memory } = lay();
  const words = new Int32Array(memory);
  const worker = { onmessage: null, postMessage() {} };
  const port = attend(worker);
  const heard = [];
  port.onmessage = ({ data }) => {
    heard.push(data.n);
    if (data.n < 3) port.postMessage({ t: 'reply', n: data.n, b: data.b, s: 1 });
  };
  worker.onmessage({ data: { t: 'line', memory } });
  worker.onmessage({ data: request(1) });
  worker.onmessage({ data: request(2) });
  // As the page asks.
  new Float64Array(memory)[NUMBER] = 3;
  Atomics.store(words, STATE, ASKED);
  for (const end = Date.now() + 5000; !heard.includes(3) && Date.now() < end; ) {
    // It went to sleep before it looked.
    if (words[LOOKS] === 0) for (const n of [1, 2]) worker.onmessage({ data: request(n) });
    await new Promise((resolve) => setImmediate(resolve));
  }
  assert.deepEqual([heard.includes(3), Atomics.load(words, STATE)], [true, FREE]);
});

test('what nobody looks for, or is large, is not asked', () => {
  const { line, end } = lay();
  line.ask(request(1));
  assert.equal(line.ask(request(2, 1 << 16)), false);
  assert.equal(end.take(), undefined);
  end.looks = false;
  const began = performance.now();
  for (let i = 0; i < 1000; i += 1) assert.equal(line.ask(request(3)), false);
  // A look takes a tenth of a millisecond.
  assert.ok(performance.now() - began < 50);
});

test('what a worker does not look for any more is taken back', () => {
  const { line, end } = lay();
  line.ask(request(1));
  assert.equal(line.ask(request(2)), false);
  assert.equal(end.take(), undefined);
  assert.equal(end.answer({ t: 'reply', n: 2, b: new Uint8Array(1), s: 1 }), false);
});

test('a page that asks and asks leaves one request to a message now and then', () => {
  const { line, memory } = lay();
  const wasAsked = (n) => {
    line.ask(request(n));
    return new Float64Array(memory)[NUMBER] === n;
  };
  const found = [wasAsked(1), wasAsked(2), wasAsked(3)];
  for (const end = performance.now() + 20; performance.now() < end;);
  found.push(wasAsked(4), wasAsked(5));
  assert.deepEqual(found, [false, true, true, false, true]);
});

/** A worker's end that answers all it hears, how it looks, and what it said by message. */
function attended() {
  const { memory, line } = lay();
  const said = [];
  const worker = { onmessage: null, postMessage: (message) => said.push(message.n) };
  const port = attend(worker);
  port.onmessage = ({ data }) => port.postMessage({ t: 'reply', n: data.n, b: data.b, s: 1 });
  worker.onmessage({ data: { t: 'line', memory } });
  const looks = () => new Int32Array(memory)[LOOKS];
  const hear = (n) => {
    worker.onmessage({ data: request(n) });
    return looks();
  };
  return { line, looks, hear, said };
}

test('a worker stays awake for who asks again at once, and then goes to sleep', async () => {
  const { line, looks, hear, said } = attended();
  // A lone one is not worth to stay awake for.
  assert.deepEqual([looks(), hear(1), hear(2)], [0, 0, 1]);
  for (const end = Date.now() + 5000; looks() && Date.now() < end; ) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  assert.deepEqual([looks(), said], [0, [1, 2]]);
  assert.equal(line.ask(request(3)), false);
});

test('a worker that looks in vain does not look for a while', async () => {
  const { hear } = attended();
  const many = (from, count) => Array.from({ length: count }, (_, i) => hear(from + i));
  // All by message, though it looks after the second.
  assert.deepEqual(many(1, 7), [0, 1, 1, 1, 1, 1, 1]);
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.deepEqual(many(8, 25), Array(25).fill(0));
  assert.ok(many(33, 20).includes(1));
});

test('where the clock stands most of the time nobody looks until it goes on', () => {
  const { now } = performance;
  const exact = () => now.call(performance);
  const TICK = 500;
  performance.now = () => Math.floor(exact() / TICK) * TICK;
  /** How long it takes, from the beginning of a tick. */
  const time = (run) => {
    for (const tick = performance.now(); performance.now() === tick;);
    const began = exact();
    run();
    return exact() - began;
  };
  try {
    const { line } = lay();
    const { hear } = attended();
    const page = time(() => {
      for (const n of [1, 2]) assert.equal(line.ask(request(n)), false);
    });
    let looks;
    const worker = time(() => (looks = [hear(1), hear(2)]));
    assert.ok(page < TICK / 2 && worker < TICK / 2, `${page} and ${worker} ms`);
    assert.equal(looks[1], 1);
  } finally {
    delete performance.now;
  }
});
