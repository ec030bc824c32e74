// The examples of README.md run as they stand, and print what a reader expects.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const wasm = fileURLToPath(new URL('../..', import.meta.url));
const examples = readFileSync(join(wasm, 'README.md'), 'utf8')
  .split('```js\n').slice(1).map((rest) => rest.split('```')[0]);

const PRINTED = [
  'note/1 buy milk\nnote/2 call Ann\n',
  "B A\n[ 'B', 'A' ]\n",
  "[ [ [ 'bob' ], 3n ], [ [ 'ann' ], 7n ] ]\n",
];

test('README.md has three examples, and they work', (t) => {
  assert.equal(examples.length, PRINTED.length);
  const root = mkdtempSync(join(tmpdir(), 'siltdb-readme-'));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  const installed = join(root, 'node_modules', 'siltdb');
  mkdirSync(installed, { recursive: true });
  cpSync(join(wasm, 'dist'), join(installed, 'dist'), { recursive: true });
  cpSync(join(wasm, 'package.json'), join(installed, 'package.json'));
  examples.forEach((example, at) => {
    const file = join(root, `example${at}.mjs`);
    writeFileSync(file, example);
    const told = execFileSync(process.execPath, [file], { cwd: root });
    assert.equal(String(told), PRINTED[at]);
  });
});
