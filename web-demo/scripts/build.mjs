// Builds the page into dist/: the bundle, the package as it is published, the data set, and the
// service worker with the list of what it keeps.

import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { characters } from './data.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const at = (...parts) => join(root, ...parts);
const out = (...parts) => at('dist', ...parts);

/** Files of the npm package that a page without a bundler needs. */
const PACKAGE = ['index.js', 'worker.js', 'line.js', 'inspector.js', 'siltdb.wasm'];

function copyPackage() {
  const from = at('..', 'wasm', 'dist');
  if (!existsSync(join(from, 'inspector.js'))) {
    throw new Error(
      'build the npm package first: npm --prefix wasm ci && npm --prefix wasm run build',
    );
  }
  mkdirSync(out('siltdb'), { recursive: true });
  for (const name of PACKAGE) copyFileSync(join(from, name), out('siltdb', name));
}

async function bundle() {
  await build({
    entryPoints: { app: at('src', 'main.ts'), style: at('src', 'style', 'index.css') },
    outdir: out(),
    bundle: true,
    minify: true,
    format: 'esm',
    target: ['es2022', 'chrome123', 'firefox121', 'safari17.5'],
    // The browser finds them by the import map of the page.
    external: ['siltdb', 'siltdb/inspector'],
    legalComments: 'none',
    logLevel: 'warning',
  });
}

function writeData() {
  mkdirSync(out('data'), { recursive: true });
  writeFileSync(out('data', 'unicode.tsv'), characters(at('..', 'tests', 'data', 'unicode.tsv')));
  const licence = at('..', 'tests', 'data', 'UNICODE-LICENSE.txt');
  copyFileSync(licence, out('data', 'UNICODE-LICENSE.txt'));
}

/** Every file of dist/ by its path. */
function listed(folder = '') {
  return readdirSync(out(folder), { withFileTypes: true })
    .flatMap((entry) => {
      const path = folder ? `${folder}/${entry.name}` : entry.name;
      return entry.isDirectory() ? listed(path) : [path];
    })
    .sort();
}

/** The version is that of all files together: another byte anywhere, another cache. */
function writeServiceWorker(files) {
  const hash = createHash('sha256');
  for (const name of files) hash.update(name).update(readFileSync(out(name)));
  const script = readFileSync(at('sw.js'), 'utf8')
    .replace('__VERSION__', hash.digest('hex').slice(0, 16))
    .replace('[/* __FILES__ */]', JSON.stringify(['./', ...files]));
  writeFileSync(out('sw.js'), script);
}

function sizes(files) {
  let sum = 0;
  console.log('\n     bytes      gzip  file');
  for (const name of files) {
    const bytes = readFileSync(out(name));
    const packed = gzipSync(bytes, { level: 9 }).length;
    sum += packed;
    console.log(`${String(bytes.length).padStart(10)}${String(packed).padStart(10)}  ${name}`);
  }
  console.log(`${''.padStart(10)}${String(sum).padStart(10)}  in all`);
}

rmSync(out(), { recursive: true, force: true });
copyPackage();
writeData();
await bundle();
copyFileSync(at('index.html'), out('index.html'));
copyFileSync(at('icon.svg'), out('icon.svg'));
const files = listed();
writeServiceWorker(files);
sizes(files);
