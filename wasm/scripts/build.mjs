// Builds the package: the engine to WebAssembly, its glue, the bundles and the types.
//
//   node scripts/build.mjs            everything
//   node scripts/build.mjs --js       only the bundles, with the engine as it was built before
//   node scripts/build.mjs --names    everything, with names of functions, for profiles
//
// build/js holds every module by itself, for tests; dist/ is what is packed.

import { execFileSync, spawnSync } from 'node:child_process';
import { appendFileSync, copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { minify } from 'terser';
import { INTERNAL } from './internal.mjs';
import { namedBySize } from './order.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const at = (...parts) => join(root, ...parts);
const generated = at('js', 'gen');
const named = process.argv.includes('--names');

function run(program, args, options = {}) {
  execFileSync(program, args, { cwd: root, stdio: 'inherit', ...options });
}

/** Whether this compiler's LLVM has a flag. */
function isKnown(flag) {
  const asked = spawnSync('rustc', ['--print=cfg', `-Cllvm-args=${flag}`], { cwd: root });
  return asked.status === 0;
}

function buildEngine() {
  const metadata = ['metadata', '--format-version', '1', '--no-deps', '--locked'];
  const told = execFileSync('cargo', metadata, { cwd: root, maxBuffer: 1 << 26 });
  const target = JSON.parse(told).target_directory;
  const triple = 'wasm32-unknown-unknown';
  // A copy of a struct is one instruction and not a row of loads and stores. Only the smallest
  // functions are inlined, and such as ask for it up to a limit that scans and gets still feel.
  // What else LLVM does for speed alone makes code longer, and not faster here. The last two are
  // one switch, by the names that it has in older and newer ones.
  const flags = ['-max-store-memcpy=1', '-inline-threshold=0', '-inlinehint-threshold=40',
    '-disable-lsr', '-enable-load-pre=false', '-enable-pre=false', '-enable-scalar-pre=false',
  ].filter(isKnown);
  // What is called deepest takes less than 48 KiB of the stack; addresses behind a small one are
  // short in the code.
  const rust = [`-Cllvm-args=${flags.join(' ')}`, '-Clink-arg=-zstack-size=131072'];
  // What is a library for its tests too would be linked without optimisation across crates.
  run('cargo', ['rustc', '--crate-type', 'cdylib', '--features', 'package', '--locked',
    '-p', 'siltdb-wasm', '--target', triple, '--profile', 'wasm',
    '--config', `target.${triple}.rustflags = ${JSON.stringify(rust)}`]);
  rmSync(generated, { recursive: true, force: true });
  // The engine is found by whoever loads it: a literal path would be bundled twice.
  run('wasm-bindgen', [
    '--target', 'web', '--omit-default-module-path',
    '--out-dir', generated, '--out-name', 'siltdb',
    join(target, triple, 'wasm', 'siltdb_wasm.wasm'),
  ]);
  trimGlue(join(generated, 'siltdb.js'));
  const wasm = join(generated, 'siltdb_bg.wasm');
  const features = ['bulk-memory', 'sign-ext', 'mutable-globals', 'nontrapping-float-to-int',
    'multivalue', 'reference-types'].map((feature) => `--enable-${feature}`);
  const opt = (...args) => execFileSync(process.execPath,
    [at('node_modules', 'binaryen', 'bin', 'wasm-opt'), wasm, '-o', wasm, ...features, ...args],
    { cwd: root });
  const renamed = opt(
    // What is packed counts: small functions with few locals are alike, and more so beside their
    // namesakes. Inlining what has one caller, or sharing what is computed twice, undoes that.
    // Flat code, put into loops and blocks anew, has fewer of both; a second time helps, too.
    '-Oz', '--flatten', '--rereloop', '-Oz', '--flatten', '--rereloop', '-Oz', '-Oz',
    '--one-caller-inline-max-function-size=0', '--always-inline-max-function-size=4',
    '--skip-pass=local-cse',
    // The stack ends at address 0, so that no constant is added to a pointer to come there.
    '--reorder-functions-by-name', '--low-memory-unused',
    '--minify-imports-and-exports-and-modules',
    ...(named ? ['-g'] : ['--strip-debug', '--strip-producers', '--strip-target-features']));
  renameGlue(join(generated, 'siltdb.js'), JSON.parse(renamed));
  if (named) return;
  writeFileSync(wasm, namedBySize(readFileSync(wasm)));
  opt('--reorder-functions-by-name', '--strip-debug');
}

/** What wasm-bindgen's part does for platforms and callers that this package does not have. */
const SPARE = [
  [/if \(!\('encodeInto' in cachedTextEncoder\)\) \{[^]*?\n\}\n/, ''],
  [/if \(module !== undefined\) \{[^]*?\n {4}\}\n/, '({ module } = module);\n'],
  [/\(typeof FinalizationRegistry === 'undefined'\)\n[^]*?\n {4}: /, ''],
  // These serve what is rare: names of files, messages of errors.
  [/if \(realloc === undefined\) \{\n([^]*?)\n {4}\}\n[^]*?\n\}\n/, '$1\n}\n'],
  [/let cachedDataViewMemory0 = null;\n([^]*?\{\n)[^]*?\n\}\n/,
    '$1    return new DataView(wasm.memory.buffer);\n}\n'],
  [/ {4}cachedDataViewMemory0 = null;\n/, ''],
  // A store is closed.
  [/ {4}free\(\) \{[^]*?\n {4}\}\n/, ''],
  [/if \(Symbol\.dispose\) .*\n/, ''],
];

function trimGlue(file) {
  let glue = readFileSync(file, 'utf8');
  for (const [pattern, instead] of SPARE) {
    if (!pattern.test(glue)) throw new Error(`siltdb.js is not as expected: ${pattern}`);
    glue = glue.replace(pattern, instead);
  }
  // Its view of the engine's memory is made anew only when that has grown. What it imports for
  // checksums is what the host has, if it has something.
  glue += 'export { getUint8ArrayMemory0 as memoryNow };\n';
  glue += 'let hostChecksum;\n';
  glue += 'export function checksumBy(way) {\n    hostChecksum = way;\n    useHostChecksum();\n}\n';
  writeFileSync(file, glue);
  appendFileSync(file.replace(/js$/, 'd.ts'), `export function memoryNow(): Uint8Array;
export function checksumBy(way: (crc: number, bytes: Uint8Array) => number): void;
`);
}

/** Calls what the engine imports and exports as `wasm-opt` has named it. */
function renameGlue(file, { imports, exports }) {
  let glue = readFileSync(file, 'utf8');
  const rename = (pattern, instead) => {
    if (!pattern.test(glue)) throw new Error(`siltdb.js is not as expected: ${pattern}`);
    glue = glue.replace(pattern, instead);
  };
  for (const [, long, short] of imports) rename(new RegExp(`\\b${long}(?=: function)`), short);
  // That is what it calls every module.
  rename(/"\.\/siltdb_bg\.js"/, 'a');
  for (const [long, short] of exports) {
    glue = glue.replace(new RegExp(`\\bwasm\\.${long}\\b`, 'g'), `wasm.${short}`);
  }
  writeFileSync(file, glue);
}

// One list of entries: [output, source, format, platform]. `external` is what an entry shares
// with another one, so that both have the same classes.
const ENTRIES = [
  ['index.js', 'index.ts', 'esm', 'browser'],
  ['worker.js', 'worker.ts', 'esm', 'browser'],
  ['line.js', 'line.ts', 'esm', 'browser'],
  ['slim.js', 'slim.ts', 'esm', 'browser'],
  ['sync.js', 'sync.ts', 'esm', 'browser'],
  ['level.js', 'level.ts', 'esm', 'browser'],
  ['inspector.js', 'inspector/index.ts', 'esm', 'browser'],
  ['node.js', 'node.ts', 'esm', 'node'],
  ['node.cjs', 'node.ts', 'cjs', 'node'],
  ['sync-node.js', 'sync-node.ts', 'esm', 'node'],
  ['sync-node.cjs', 'sync-node.ts', 'cjs', 'node'],
  ['level-node.js', 'level-node.ts', 'esm', 'node'],
  ['level-node.cjs', 'level-node.ts', 'cjs', 'node'],
];

/** What the licences ask to be given along. */
const LICENSES = ['LICENSE', 'LICENSE-APACHE', 'LICENSE-MIT'];

async function bundle() {
  rmSync(at('dist'), { recursive: true, force: true });
  mkdirSync(at('dist'), { recursive: true });
  for (const [output, source, format, platform] of ENTRIES) {
    if (!existsSync(at('js', source))) continue;
    // A CommonJS module has no import.meta; its own file's address stands in.
    const cjs = format === 'cjs'
      ? {
          define: { 'import.meta.url': 'siltdbFileUrl' },
          banner: { js: "const siltdbFileUrl = require('node:url').pathToFileURL(__filename).href;" },
        }
      : {};
    await build({
      entryPoints: [at('js', source)],
      outfile: at('dist', output),
      bundle: true,
      // In Node an uncaught error shows the line it was thrown in, and names of functions.
      minify: platform === 'browser',
      format,
      platform,
      target: 'es2022',
      // Whoever takes the slim entry wants one file.
      external: ['abstract-level', 'node:*', ...(output === 'slim.js' ? [] : ['./line.js'])],
      legalComments: 'none',
      logLevel: 'warning',
      ...cjs,
    });
    if (platform === 'browser') await shorten(at('dist', output), output !== 'index.js');
  }
  copyFileSync(join(generated, 'siltdb_bg.wasm'), at('dist', 'siltdb.wasm'));
  // npm packs them from here, and follows no links.
  for (const name of LICENSES) copyFileSync(at('..', name), at(name));
}

/**
 * What a page loads is made a little shorter still. `whole`: no part of it is left out by whoever
 * bundles it. Functions that stand where they are called would keep what they call.
 */
async function shorten(file, whole) {
  const compress = {
    passes: 3, ecma: 2022, keep_fargs: false, pure_getters: true, inline: 1,
    hoist_funs: true, lhs_constants: false, reduce_funcs: whole,
  };
  const mangle = { properties: { regex: INTERNAL, builtins: true } };
  const options = { module: true, ecma: 2022, compress, mangle };
  const { code } = await minify(readFileSync(file, 'utf8'), options);
  writeFileSync(file, code);
}

async function transpile() {
  rmSync(at('build'), { recursive: true, force: true });
  const modules = readdirSync(at('js')).filter((name) => name.endsWith('.ts'));
  await build({
    entryPoints: modules.map((name) => at('js', name)),
    outdir: at('build', 'js'),
    format: 'esm',
    target: 'es2022',
    sourcemap: 'inline',
    logLevel: 'warning',
  });
  mkdirSync(at('build', 'js', 'gen'), { recursive: true });
  copyFileSync(join(generated, 'siltdb.js'), at('build', 'js', 'gen', 'siltdb.js'));
  copyFileSync(join(generated, 'siltdb_bg.wasm'), at('build', 'js', 'siltdb.wasm'));
}

/** Types of what is required: those of a `.d.ts` are of what is imported, and refused for it. */
function typesForRequire(name) {
  const file = at('dist', name.replace(/js$/, 'd.cts'));
  if (existsSync(file)) return;
  const types = readFileSync(file.replace(/cts$/, 'ts'), 'utf8');
  const beside = /((?:from |import\()')(\.\.?\/[^']+\.)js'/g;
  writeFileSync(file, types.replace(beside, "$1$2cjs'"));
  for (const [, , path] of types.matchAll(beside)) {
    typesForRequire(join(dirname(name), `${path}js`));
  }
}

function sizes() {
  console.log('\n     bytes      gzip  file');
  for (const name of readdirSync(at('dist')).sort()) {
    if (!/\.(c?js|wasm)$/.test(name)) continue;
    const bytes = readFileSync(at('dist', name));
    const packed = gzipSync(bytes, { level: 9 }).length;
    console.log(`${String(bytes.length).padStart(10)}${String(packed).padStart(10)}  ${name}`);
  }
}

if (!process.argv.includes('--js')) buildEngine();
await transpile();
await bundle();
run(process.execPath, [at('node_modules', 'typescript', 'bin', 'tsc'), '--emitDeclarationOnly']);
// The other types name these, and tsc leaves out what was given as types.
mkdirSync(at('dist', 'gen'), { recursive: true });
copyFileSync(join(generated, 'siltdb.d.ts'), at('dist', 'gen', 'siltdb.d.ts'));
for (const name of ['node.js', 'sync-node.js', 'level-node.js']) typesForRequire(name);
sizes();
