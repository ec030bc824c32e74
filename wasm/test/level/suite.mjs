// The compliance suite of abstract-level over `siltdb/level` in Node, told in TAP.
//
//   node suite.mjs memory | node-fs

import { mkdtempSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SiltLevel } from '../../dist/level-node.js';

const require = createRequire(import.meta.url);
const test = require('tape');
const suite = require('abstract-level/test');

const backend = process.argv[2];
const root = mkdtempSync(join(tmpdir(), 'siltdb-level-'));
process.on('exit', () => rmSync(root, { recursive: true, force: true }));

let stores = 0;
suite({
  test,
  factory(options) {
    stores += 1;
    const directory = join(root, String(stores));
    // What is tested here is not the disk: a sync for each of thousands of writes tells nothing.
    return new SiltLevel(directory, { backend, durability: 'flushed', ...options });
  },
});
