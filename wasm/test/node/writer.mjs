// Writes into DIRECTORY at DURABILITY until it is killed, and tells every key that is acknowledged.

import { writeSync } from 'node:fs';
import { ask, bytes } from './helpers.mjs';
import { Engine } from '../../build/js/engine.js';
import { NodeStorage } from '../../build/js/node-fs.js';
import { decodeWrite, encodeWrite } from '../../build/js/wire.js';

const [, , directory, durability, bufferBytesMax] = process.argv;
const options = { segmentBytes: 8192, bufferBytesMax: Number(bufferBytesMax) };
const engine = Engine.open(new NodeStorage(directory), options);
for (let i = 0; i < 100_000; i += 1) {
  const operation = { key: bytes(`key-${i}`), value: bytes(`value of key-${i}`) };
  ask(engine, (w) => encodeWrite(w, [operation], durability), decodeWrite);
  writeSync(1, `key-${i}\n`);
  while (engine.work(1 << 16));
}
