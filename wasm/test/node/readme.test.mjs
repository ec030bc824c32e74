// The examples of README.md run as they stand, and print what a reader expects.

import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { writeFileSync } from 'node:fs';
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

/** A folder with the package in it, as it is installed. */
function folder(t) {
  const root = mkdtempSync(join(tmpdir(), 'siltdb-readme-'));
  t.after(() => rmSync(root, { recursive: true, force: true }));
  const installed = join(root, 'node_modules', 'siltdb');
  mkdirSync(installed, { recursive: true });
  cpSync(join(wasm, 'dist'), join(installed, 'dist'), { recursive: true });
  cpSync(join(wasm, 'package.json'), join(installed, 'package.json'));
  return root;
}

test('README.md has three examples, and they work', (t) => {
  assert.equal(examples.length, PRINTED.length);
  const root = folder(t);
  examples.forEach((example, at) => {
    const file = join(root, `example${at}.mjs`);
    writeFileSync(file, example);
    const told = execFileSync(process.execPath, [file], { cwd: root });
    assert.equal(String(told), PRINTED[at]);
  });
});

test('the examples are TypeScript, too, and what is required has types, too', (t) => {
  const root = folder(t);
  const level = join(root, 'node_modules', 'abstract-level');
  symlinkSync(join(wasm, 'node_modules', 'abstract-level'), level, 'junction');
  const entries = `import { open, SiltError, type Silt } from 'siltdb';
import { openSync } from 'siltdb/sync';
import { SiltLevel } from 'siltdb/level';
export async function all(): Promise<(number | string | undefined)[]> {
  const db: Silt<string, number> = await open<string, number>('x');
  const level = new SiltLevel<string, string>('z');
  // @ts-expect-error: a key is a string here.
  await db.get(5).catch((error: unknown) => error instanceof SiltError);
  return [await db.get('a'), openSync<string, number>('y').get('a'), await level.get('a')];
}
`;
  const files = [...examples, entries].map((text, at) => [`file${at}.mts`, text]);
  for (const [name, text] of [...files, ['required.cts', entries]]) {
    writeFileSync(join(root, name), text);
  }
  const tsc = join(wasm, 'node_modules', 'typescript', 'bin', 'tsc');
  // Later kinds of modules take the types of what is imported for what is required.
  const told = spawnSync(process.execPath, [tsc, '--strict', '--noEmit', '--target', 'es2022',
    '--types', 'node', '--typeRoots', join(wasm, 'node_modules', '@types'),
    '--module', 'node16', 'required.cts', ...files.map(([name]) => name)],
  { cwd: root, encoding: 'utf8' });
  assert.equal(told.stdout, '');
  assert.equal(told.status, 0);
});
