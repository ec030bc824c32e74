// Talks to a server with node-redis, unmodified: node resp.mjs DIRECTORY_OF_MODULES PORT
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';

const [, , modules, port] = process.argv;
const { createClient } = createRequire(`${modules}/`)('redis');

for (const RESP of [2, 3]) {
  const client = createClient({ url: `redis://127.0.0.1:${port}`, RESP });
  await client.connect();
  await client.flushAll();
  assert.equal(await client.ping(), 'PONG');
  assert.equal(await client.set('a', '1'), 'OK');
  assert.equal(await client.get('a'), '1');
  assert.equal(await client.set('a', '2', { NX: true }), null);
  assert.equal(await client.incrBy('a', 41), 42);
  assert.deepEqual(await client.mGet(['a', 'none']), ['42', null]);
  await client.set('e', 'x', { EX: 100 });
  assert.ok((await client.ttl('e')) > 40);
  assert.deepEqual(await client.multi().set('m', '1').incr('m').get('m').exec(), ['OK', 2, '2']);
  // Many at once, in one pipeline.
  await Promise.all(Array.from({ length: 2000 }, (_, i) => client.set(`k${i}`, `${i}`)));
  const keys = [];
  for await (const page of client.scanIterator({ MATCH: 'k*', COUNT: 300 })) keys.push(...[page].flat());
  assert.equal(new Set(keys).size, 2000);
  assert.equal(keys.length, 2000);
  await assert.rejects(client.sendCommand(['LPUSH', 'l', '1']), /unknown command 'LPUSH'/);
  const other = client.duplicate();
  await other.connect();
  await other.watch('m');
  await client.set('m', '5');
  await assert.rejects(other.multi().set('m', '6').exec());
  assert.equal(await client.get('m'), '5');
  const history = await client.sendCommand(['SILT.HISTORY', 'm']);
  assert.equal(history[0][1].toString(), '5');
  await other.close();
  await client.close();
}
console.log('fine');
