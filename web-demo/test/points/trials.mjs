// What is made, measured and broken on purpose: compaction, benchmark, tabs, crashes.

import assert from 'node:assert/strict';
import { number, savedText } from './help.mjs';

export function trials(point) {
  point('4: a compaction is planned, watched and accounted for', async ({ page, figure }) => {
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

  point('5: the benchmark measures, can be cancelled, and is saved', async ({ page, browser }) => {
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

  point(
    '6: two tabs count, the engine is killed and frozen, and nothing is lost',
    async ({ page, browser, server, figure }) => {
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
    },
  );

  point('7: what breaks is healed, or named', async ({ page }) => {
    await page.run(() => {
      const { Worker } = window;
      window.labWorkers = 0;
      window.Worker = class extends Worker {
        constructor(script, options) {
          super(script, options);
          if (/crash lab/.test(options.name)) window.labWorkers += 1;
        }
      };
    });
    // None begins while another goes on: they break the same store.
    await page.run(() => {
      const kill = document.querySelector('#crash-kill');
      kill.click();
      const others = document.querySelectorAll('#crash-cut, #crash-flip, #crash-rot');
      if ([...others].some((other) => !other.closest('[inert]'))) throw new Error('another begins');
    });
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

    // A new store each time and what it became, the refused one twice; none for one that was killed.
    await new Promise((resolve) => setTimeout(resolve, 1000));
    assert.equal(await page.run(() => window.labWorkers), 9);
  });
}
