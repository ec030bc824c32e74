// Serves dist/ on this machine, packed with gzip where it helps. Its pages are isolated, so that they
// share memory with their workers; the page needs no special headers.
//
//   node scripts/serve.mjs [PORT]        8080 unless given or in PORT; 0 for any free one

import { createReadStream, existsSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { dirname, extname, join, normalize } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { createGzip } from 'node:zlib';

const dist = join(dirname(fileURLToPath(import.meta.url)), '..', 'dist');

const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.tsv': 'text/tab-separated-values; charset=utf-8',
  '.txt': 'text/plain; charset=utf-8',
  '.wasm': 'application/wasm',
};

function answer(request, response, log) {
  const { pathname } = new URL(request.url, 'http://localhost');
  let path = join(dist, normalize(decodeURIComponent(pathname)));
  if (existsSync(path) && statSync(path).isDirectory()) path = join(path, 'index.html');
  const type = TYPES[extname(path)];
  if (!path.startsWith(dist) || !type || !existsSync(path)) {
    response.writeHead(404, { 'content-type': 'text/plain' }).end('not found\n');
    return;
  }
  const packed = /\bgzip\b/.test(request.headers['accept-encoding'] ?? '');
  response.writeHead(200, {
    'content-type': type,
    'cache-control': 'no-cache',
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-embedder-policy': 'require-corp',
    vary: 'accept-encoding',
    ...(packed ? { 'content-encoding': 'gzip' } : {}),
  });
  const bytes = createReadStream(path);
  response.on('close', () => {
    // A socket may serve several answers one after the other.
    const { socket } = request;
    const sent = socket.bytesWritten - (socket.siltCounted ?? 0);
    socket.siltCounted = socket.bytesWritten;
    log.push({ path: pathname, sent, forLater: /\/sw\.js$/.test(request.headers.referer ?? '') });
  });
  if (packed) bytes.pipe(createGzip()).pipe(response);
  else bytes.pipe(response);
}

/** Starts the server; `url` is a secure context, being on this machine, `log` what it has sent. */
export async function serve(port = 0) {
  const log = [];
  const server = createServer((request, response) => {
    try {
      answer(request, response, log);
    } catch {
      response.writeHead(400).end();
    }
  });
  await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const close = () =>
    new Promise((resolve) => {
      server.closeAllConnections();
      server.close(resolve);
    });
  return { url: `http://127.0.0.1:${server.address().port}/`, log, close };
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const port = process.argv[2] ?? process.env.PORT ?? 8080;
  try {
    const { url } = await serve(Number(port));
    console.log(`\nSiltDB demo: ${url}`);
  } catch (e) {
    console.error(`port ${port}: ${e.message}; give another one: web-demo/serve PORT`);
    process.exit(1);
  }
}
