// What a reader can do with the page, and sees: each panel once, in the browser that is given.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { serve } from '../scripts/serve.mjs';
import { scratch } from './drivers.mjs';

const silt =
  process.env.SILT_BIN ?? fileURLToPath(new URL('../../target/debug/silt', import.meta.url));
const axe = readFileSync(new URL('../node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');

const run = (...args) => execFileSync(silt, args, { encoding: 'utf8' });
const number = (text) => Number(text.replace(/\D/g, ''));

/** Waits for a file that the browser saves, all of it, and gives its text. */
async function savedText(browser, name, whole = (text) => text.trimEnd().endsWith('}')) {
  const path = join(browser.downloads, name);
  for (const end = Date.now() + 20_000; ;) {
    const text = existsSync(path) ? readFileSync(path, 'latin1') : '';
    if (whole(text)) return text;
    assert.ok(Date.now() < end, `${name} was not saved`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

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

/** Registers the tests on a browser that `launch` starts. */
export function points(launch) {
  describe(`the page in ${launch.name}`, () => tests(launch));
}

function tests(launch) {
  let server, browser, page;

  before(async () => {
    server = await serve();
    browser = await launch();
    page = await browser.tab();
    await page.resize(1280, 800);
    await page.open(server.url);
  });
  after(async () => {
    await browser?.close();
    await server?.close();
  });

  /** The number beside a name in a list of figures. */
  const figure = (root, name) =>
    page.run(
      (root, name) => {
        const found = [...document.querySelectorAll(`${root} dt`)].find(
          (dt) => dt.textContent === name,
        );
        return found?.nextElementSibling?.textContent ?? '';
      },
      root,
      name,
    );

  test('the first visit: small, quick, an empty store, and words before any script', async () => {
    const sent = server.log.filter(({ forLater }) => !forLater);
    const bytes = sent.reduce((sum, one) => sum + one.sent, 0);
    const paint = await page.run(
      () => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0,
    );
    const ready = await figure('#figures', 'opened in');
    console.log(
      `${browser.name}: ${(bytes / 1000).toFixed(0)} kB sent in ${sent.length} answers, ` +
        `first paint after ${paint.toFixed(0)} ms, the store opened in ${ready}`,
    );
    assert.ok(bytes > 50_000 && bytes < 300_000, `${bytes} bytes`);
    assert.ok(paint < 5000);
    assert.match(await page.text('#role'), /^(leader|solo) . opfs$/);
    assert.equal(await figure('#figures', 'keys'), '0');
    assert.match(await page.text('.what'), /key-value store that keeps its past/);
  });

  test('1, 11: the log map fills, and the keyboard goes from record to record', async () => {
    await page.click('#load');
    await page.see('#status', /records written/);
    await page.see('#figures', /keys\s+3\D381\b/);
    await page.until('three strips', () => {
      const { shadowRoot } = document.querySelector('#map silt-inspector');
      return shadowRoot.querySelectorAll('.strips li').length >= 3;
    });
    await page.click('#map-set');
    await page.run(() => {
      document
        .querySelector('#map silt-inspector')
        .shadowRoot.querySelector('.strips canvas')
        .focus();
    });
    for (const end = Date.now() + 20_000; ;) {
      await page.key('End');
      const told = await page.inside('.detail');
      if (/note\/mood/.test(told) && /6e/.test(told)) break;
      assert.ok(Date.now() < end, `the new record is not at the end: ${told}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    assert.match(await page.inside('.detail'), /statelive.*seq.*segment \d+, byte/s);
    await page.click('#map-delete');
    await page.click('#map-overwrite');
    await page.run(() => {
      document.querySelector('#map silt-inspector').shadowRoot.querySelector('details').open = true;
    });
    await page.until('all states in the table', () => {
      const { shadowRoot } = document.querySelector('#map silt-inspector');
      const later = [...shadowRoot.querySelectorAll('.tools button')].at(-1);
      later.click();
      return /tombstone/.test(shadowRoot.querySelector('tbody').textContent);
    });
    const spoken = await page.run(() =>
      document
        .querySelector('#map silt-inspector')
        .shadowRoot.querySelector('.strips canvas')
        .getAttribute('aria-valuetext'),
    );
    assert.match(spoken, /^record \d+ of \d+: /);
    await page.shotOf('#map', 'map');
  });

  test('2: the slider reads the past, and a version comes back', async () => {
    await page.type('#console-line', 'set river Elbe');
    await page.key('Enter');
    await page.type('#console-line', 'set river Vltava');
    await page.key('Enter');
    await page.see('#console-log', /set river Vltava\n+seq \d+/);
    await page.run(() => document.querySelector('#time').scrollIntoView({ behavior: 'instant' }));
    await page.until('the commits', () => {
      const slider = document.querySelector('#time-slider');
      return Number(slider.max) > 50 && slider.value === slider.max;
    });
    assert.match(await page.text('#time-facts'), /keys now/);
    // One step back from now, as soon as now is what was just written.
    for (
      const end = Date.now() + 20_000;
      !/changed since:\s*river/.test(await page.text('#time-keys'));
    ) {
      assert.ok(Date.now() < end, await page.text('#time-keys'));
      await page.run(() => {
        const slider = document.querySelector('#time-slider');
        const back = slider.value === slider.max ? 1 : 0;
        slider.value = String(Number(slider.max) - back);
        slider.dispatchEvent(new Event('input'));
      });
      await new Promise((resolve) => setTimeout(resolve, 400));
    }
    await page.click('#time-keys [data-key="river"]');
    await page.see('#time-record', /Then\s+Elbe\s+Now\s+Vltava/);
    await page.shotOf('#time', 'time');
    await page.click('#time-restore');
    await page.see('#status', /again what it was/);
    await page.type('#console-line', 'get river');
    await page.key('Enter');
    await page.see('#console-log', /get river\n+Elbe/);
  });

  test('3: the console has the words of silt, completes, and its scripts travel', async () => {
    await page.type('#console-line', 'get char/U+1F60');
    await page.key('Tab');
    await page.see('.offers', /char\/U\+1F600/);
    await page.type('#console-line', 'get char/U+1F600');
    await page.key('Enter');
    await page.see('#console-log', /GRINNING FACE/);
    await page.type('#console-line', 'history river');
    await page.key('Enter');
    await page.see('#console-log', /set\tElbe\n+\d+\t[^\n]+set\tVltava\n+\d+\t[^\n]+set\tElbe/);
    await page.type('#console-line', 'nonsense');
    await page.key('Enter');
    await page.see('#console-log', /nonsense is no command/);
    const script =
      'set lake Lipno\nbatch {"op":"delete","key":"lake"}\ncount --prefix lake\nat \'1h ago\'\n';
    const other = await browser.tab();
    await other.open(`${server.url}#run=${encodeURIComponent(script)}`);
    assert.equal(await other.run(() => document.querySelector('#console-script').value), script);
    assert.doesNotMatch(await other.text('#console-log'), /Lipno/, 'it ran without being asked');
    await other.click('#console-run');
    await other.see('#console-log', /count --prefix lake\n+0\n/);
    await other.see('#console-log', /reading as of \d{4}-/);
    await other.shotOf('#console', 'console');
    await other.click('#console-link');
    assert.match(await other.run(() => location.hash), /^#run=set%20lake/);
    await other.close();
    await page.front();
  });

  test('4: a compaction is planned, watched and accounted for', async () => {
    await page.click('#compaction-write');
    await page.see('#compaction-plan', /0 B of .* dead/);
    await page.click('#compaction-overwrite');
    await page.see('#compaction-plan', /would rewrite segments/);
    await page.click('#compaction-run');
    await page.see('#compaction-report', /write amplification/);
    await page.see('#compaction-plan', /would do nothing/);
    const report = await page.text('#compaction-report');
    assert.match(report, /0 wrong/);
    assert.ok(number(await figure('#compaction-report', 'reads meanwhile')) > 0);
    await page.shotOf('#compaction', 'compaction');
  });

  test('5: the benchmark measures, can be cancelled, and is saved', async () => {
    await page.click('#bench-run');
    await page.until(
      'the first figures',
      () => document.querySelectorAll('#bench-tables tbody tr').length > 2,
    );
    await page.click('#bench-cancel');
    await page.see('#bench-told', /Cancelled/);
    await page.click('#bench-run');
    await page.see('#bench-told', /Your machine, this tab/);
    const rows = await page.run(() => document.querySelectorAll('#bench-tables tbody tr').length);
    assert.equal(rows, 35, await page.text('#bench-tables'));
    // Every contender was watched, and its frames are among what is saved.
    const fared = await page.run(() =>
      [...document.querySelectorAll('#bench-jank tbody th')].map((th) => th.innerText),
    );
    assert.equal(fared.length, 7);
    await page.click('#bench-save');
    const told = JSON.parse(await savedText(browser, 'siltdb-benchmark.json'));
    assert.deepEqual(
      told.frames.map(({ name }) => name),
      fared,
    );
    assert.equal(told.results.length, 35);
    for (const { contender, phase, failed, p50, p99, ms } of told.results) {
      assert.equal(failed, undefined, `${contender}, ${phase}`);
      assert.ok(p50 <= p99 && p99 <= ms, `${contender}, ${phase}: ${p50}, ${p99}, ${ms}`);
    }
    // Without a pause, the page stays at work.
    await page.click('#bench-load');
    await page.see('#bench-told', /SiltDB, flushed: .* records a second/);
    await page.click('#bench-cancel');
    await page.see('#bench-jank', /SiltDB, flushed/);
    await page.until('the end of it', () => !document.querySelector('#bench-load').disabled);
    await page.shotOf('#benchmark', 'benchmark');
  });

  test('6: two tabs count, the engine is killed and frozen, and nothing is lost', async () => {
    const other = await browser.tab();
    await other.open(`${server.url}#tabs`);
    await other.see('#role', /follower/);
    await page.front();
    await page.see('#tabs-list', /follower/);
    await page.click('#tabs-count');
    const counted = () => figure('#tabs-facts', 'counter in the store').then(number);
    for (const end = Date.now() + 20_000; (await counted()) < 20 && Date.now() < end;) {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    await page.click('#tabs-kill');
    await page.see('#tabs-verdict', /2 tabs, 1 failover: no increment is lost/);
    assert.match(await figure('#tabs-facts', 'last failover'), /(ms|s)$/);
    // Both go on, and one sees it: more is drawn on every lane than its line.
    await page.until('ticks on every lane', () => {
      return [...document.querySelectorAll('.lane')].every((lane) => {
        const { data } = lane.getContext('2d').getImageData(0, 0, lane.width, lane.height);
        return data.filter((byte) => byte > 0).length > lane.width * 4 + 400;
      });
    });
    await page.click('#tabs-freeze');
    await page.see('#tabs-list', /frozen/);
    const then = await counted();
    for (const end = Date.now() + 20_000; (await counted()) < then + 10 && Date.now() < end;) {
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    assert.ok((await counted()) >= then + 10, 'nobody counts while one is frozen');
    await page.see('#tabs-failovers', /killed, [\d.]+ m?s; frozen, [\d.]+ m?s/);
    await page.shotOf('#tabs', 'tabs');
    await page.click('#tabs-thaw');
    await page.until(
      'both awake',
      () => !/frozen/.test(document.querySelector('#tabs-list').innerText),
    );
    await page.click('#tabs-count');
    await page.see('#tabs-list', /idle[^]*idle/);
    await page.see('#tabs-verdict', /no increment is lost/);
    assert.equal(await figure('#tabs-facts', 'lost updates'), '0');
    await other.close();
    await page.front();
  });

  test('7: what breaks is healed, or named', async () => {
    await page.click('#crash-kill');
    await page.see('#crash-report', /torn bytes dropped/);
    assert.match(
      await page.text('#crash-verdict'),
      /No batch is there in part, and there is no hole/,
    );
    assert.match(await page.text('#crash-recovery'), /no: it was stopped/);
    assert.match(await page.text('#crash-steps'), /batches under way/);

    await page.click('#crash-cut');
    await page.see('#crash-steps', /cut off[^]*Opened again/);
    await page.see('#crash-verdict', /No batch is there in part, and there is no hole/);
    assert.match(await page.text('.fate-counts'), /gone with the bytes that were cut off/);
    await page.shotOf('#crash', 'crash-cut');

    await page.click('#crash-flip');
    await page.see('#crash-verdict', /1 read failed by name, all others are right/);
    assert.match(await page.text('#crash-report'), /0{15}\d\.segment is damaged at byte \d+/);
    await page.shotOf('#crash', 'crash-flip');

    await page.click('#crash-rot');
    await page.see('#crash-steps', /refused. SILT_CORRUPT: 0{15}1\.segment is damaged/);
    await page.click('#crash-undo');
    await page.see('#crash-verdict', /No batch is there in part/);
    assert.equal(await page.text('.fate-counts'), '10 whole');
  });

  test('8: the command line opens what is exported here, and the page what it makes', async () => {
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
  });

  test('9: the storage panel says where, why and at what cost', async () => {
    await page.see('#storage-facts', /kept in\s+opfs[^]*all of this site[^]*thrown away/);
    await page.set('#storage-mode', 'synced');
    await page.click('#storage-measure');
    await page.see('#storage-costs', /synced[^]*(ms|s)/);
    await page.click('#storage-persist');
    await page.see('#status', /browser/);
    await page.shotOf('#storage', 'storage');
  });

  test('12: light and dark, wide and narrow, without a fault that axe-core finds', async () => {
    for (const [width, height] of [
      [1280, 800],
      [390, 844],
    ]) {
      for (const theme of ['light', 'dark']) {
        await page.resize(width, height);
        await page.theme(theme);
        await page.run(() => scrollTo(0, 0));
        await page.until('the toast to go', () => {
          return !document.querySelector('#status').classList.contains('shown');
        });
        // Firefox has no window as narrow as a phone: it is as narrow as it can be.
        await page.shot(`page-${await page.run(() => innerWidth)}-${theme}`);
        const over = await page.run(
          () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
        );
        assert.ok(over <= 0, `the page scrolls sideways by ${over} px at ${width}`);
        await page.inject(axe);
        const found = await page.run(async () => {
          const { violations } = await globalThis.axe.run(document, {
            runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
          });
          return violations.map(
            ({ id, nodes }) =>
              `${id}: ${nodes.map((n) => `${n.target} ${n.failureSummary}`).join('\n  ')}`,
          );
        });
        assert.deepEqual(found, [], `${theme}, ${width} px`);
      }
    }
    await page.theme('auto');
    await page.resize(1280, 800);
  });

  test('10: the feed goes on after a reload, with what happened meanwhile', async () => {
    await page.click('#watch-write');
    await page.see('#watch-feed', /note\/watched/);
    const other = await browser.tab();
    await other.open(server.url);
    await page.go('about:blank');
    await other.type('#console-line', 'set meanwhile happened');
    await other.key('Enter');
    await other.see('#console-log', /seq \d+/);
    await page.open(server.url);
    await page.see('#watch-resumed', /goes on after seq/);
    await page.see('#watch-feed', /meanwhile/);
    await page.see('#watch-note', /1 of them had happened while nobody watched/);
    assert.match(await page.text('#watch-feed'), /happened/);
    await page.shotOf('#watch', 'watch');
    await other.close();
    await page.front();
  });

  test('over IndexedDB it is the same page', async () => {
    const other = await browser.tab();
    await other.open(`${server.url}?backend=idb`);
    await other.see('#role', /idb$/);
    await other.click('#map-set');
    await other.type('#console-line', 'count');
    await other.key('Enter');
    await other.see('#console-log', /count\n+1\n/);
    assert.match(await other.text('#crash'), /here stores are kept in idb/);
    await other.run(() => document.querySelector('#storage').scrollIntoView({ behavior: 'instant' }));
    await other.see('#storage-facts', /kept in\s+idb/);
    await other.reload();
    await other.ready();
    await other.see('#figures', /keys\s+1\s/);
    await other.close();
    await page.front();
  });

  test('12: the first key goes to the panels, and each panel is named', async () => {
    await page.run(() => {
      document.activeElement?.blur();
      scrollTo(0, 0);
    });
    await page.reload();
    await page.ready();
    await page.key('Tab');
    assert.equal(await page.run(() => document.activeElement.textContent), 'Skip to the panels');
    const named = await page.run(() =>
      [...document.querySelectorAll('main > section')].every((section) => {
        return (
          document.getElementById(section.getAttribute('aria-labelledby'))?.textContent &&
          document.querySelector(`nav a[href="#${section.id}"]`)
        );
      }),
    );
    assert.equal(named, true);
  });

  test('without a network the page opens, with all that it held', async () => {
    await page.until('the files to be kept', async () => {
      await navigator.serviceWorker.ready;
      return navigator.serviceWorker.controller !== null;
    });
    const keys = await figure('#figures', 'keys');
    await server.close();
    await page.reload();
    await page.ready();
    assert.equal(await figure('#figures', 'keys'), keys);
    await page.click('#map-set');
    await page.shot('offline');
  });

  test('all of it can be thrown away', async () => {
    await page.run(() => {
      window.confirm = () => true;
      // It goes with the page.
      delete document.documentElement.dataset.ready;
    });
    await page.click('#start-over');
    await page.ready();
    assert.equal(await figure('#figures', 'keys'), '0');
    await page.until('an empty map', () => {
      const { shadowRoot } = document.querySelector('#map silt-inspector');
      return shadowRoot.querySelector('.empty').hidden === false;
    });
  });

  test('nothing was written to the console as an error', () => {
    // A request that fails without a network is told by the browser itself.
    const told = page.errors.filter(
      (error) => !/ERR_CONNECTION_REFUSED|Failed to fetch|NetworkError/.test(error),
    );
    assert.deepEqual(told, []);
  });
}
