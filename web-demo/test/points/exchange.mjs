// The command line at the other end of a `.silt` file.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { scratch } from '../drivers.mjs';
import { number, savedText } from './help.mjs';

const silt =
  process.env.SILT_BIN ?? fileURLToPath(new URL('../../../target/debug/silt', import.meta.url));

const run = (...args) => execFileSync(silt, args, { encoding: 'utf8' });

/** Drops a file on the page, beside where it belongs: a reader's hand is not that exact. */
function drop(page, path) {
  return page.run(
    (name, base64) => {
      const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
      const carried = new DataTransfer();
      carried.items.add(new File([bytes], name));
      for (const type of ['dragenter', 'dragover', 'drop']) {
        const event = new DragEvent(type, {
          dataTransfer: carried,
          bubbles: true,
          cancelable: true,
        });
        document.querySelector('#exchange h2').dispatchEvent(event);
      }
    },
    path.split('/').at(-1),
    readFileSync(path, 'base64'),
  );
}

export function exchange(point) {
  point(
    '8: the command line opens what is exported here, and the page what it makes',
    async ({ page, browser, figure }) => {
      const folder = scratch();
      await page.click('#exchange-export');
      const sha = (await page.see('#exchange-sha', /^[0-9a-f]{64}$/)).trim();
      const packed = await page.run(async () => {
        const response = await fetch(document.querySelector('#exchange-link').href);
        const bytes = new Uint8Array(await response.arrayBuffer());
        let text = '';
        for (let i = 0; i < bytes.length; i += 8192)
          text += String.fromCharCode(...bytes.subarray(i, i + 8192));
        return btoa(text);
      });
      const file = join(folder, 'demo.silt');
      writeFileSync(file, packed, 'base64');
      assert.equal(createHash('sha256').update(readFileSync(file)).digest('hex'), sha);
      // What the browser has saved is that file.
      const bytes = readFileSync(file, 'latin1');
      await savedText(browser, 'demo.silt', (text) => text === bytes);
      const restored = join(folder, 'restored');
      assert.match(
        run('restore', file, restored),
        new RegExp(`crc ${await figure('#exchange-facts', 'crc')}\\b`),
      );
      assert.match(run('--db', restored, 'verify'), /all is well/);
      assert.match(
        run('--db', restored, 'scan', '--prefix', 'char/U+1F60', '--limit', '1'),
        /^char\/U\+1F600\t/,
      );
      assert.equal(run('--db', restored, 'get', 'river').trim(), 'Elbe');
      const keys = await page.run(() => document.querySelector('#figures dd').textContent);
      assert.equal(Number(run('--db', restored, 'count')), number(keys));
      // The past is in it, too.
      assert.match(run('--db', restored, 'history', 'river'), /Elbe\n.*Vltava\n.*Elbe\n$/s);
      assert.match(
        await page.text('#exchange-commands'),
        /silt restore demo.silt restored\nsilt --db restored verify/,
      );

      const made = join(folder, 'made');
      const lines = Array.from(
        { length: 3000 },
        (_, i) => `from/${String(i).padStart(5, '0')}\tthe command line ${i}`,
      );
      writeFileSync(join(folder, 'in.tsv'), `${lines.join('\n')}\n`);
      run('--db', made, 'import', join(folder, 'in.tsv'));
      run('--db', made, 'set', 'from/last', 'spoken');
      const copied = run('--db', made, 'snapshot', join(folder, 'made.silt'));
      await drop(page, join(folder, 'made.silt'));
      const told = await page.see('#exchange-told', /made\.silt/);
      assert.match(told.replace(/\u2009/g, ''), /3001 keys/);
      assert.match(await page.text('#exchange-in'), /from\/00000\s+the command line 0/);
      assert.match(copied, new RegExp(`crc ${await figure('#exchange-told-facts', 'crc')}\\b`));
      const made256 = createHash('sha256')
        .update(readFileSync(join(folder, 'made.silt')))
        .digest('hex');
      assert.equal(await page.text('#exchange-told-sha'), made256);
      await page.shotOf('#exchange', 'exchange');

      // Its own, of more files than are made ready ahead.
      await page.upload('#exchange-file', file);
      await page.see('#exchange-told', /demo\.silt/);

      writeFileSync(join(folder, 'torn.silt'), readFileSync(file).subarray(0, 5000));
      await page.upload('#exchange-file', join(folder, 'torn.silt'));
      await page.see('#exchange-in', /SILT_CORRUPT/);
    },
  );
}
