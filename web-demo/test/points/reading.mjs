// The first visit, the log map, the past and the console.

import assert from 'node:assert/strict';

export function reading(point) {
  point(
    'the first visit: small, quick, an empty store, and words before any script',
    async ({ page, browser, server, figure }) => {
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
    },
  );

  point(
    '1, 11: the log map fills, and the keyboard goes from record to record',
    async ({ page }) => {
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
        document.querySelector('#map silt-inspector').shadowRoot.querySelector('details').open =
          true;
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
    },
  );

  point('2: the slider reads the past, and a version comes back', async ({ page }) => {
    await page.type('#console-line', 'set river Elbe');
    await page.key('Enter');
    await page.type('#console-line', 'set river Vltava');
    await page.key('Enter');
    await page.see('#console-log', /set river Vltava\n+seq \d+/);
    // What is above it may grow while it is filled, and push it out of sight.
    await page.until('the commits', () => {
      document.querySelector('#time').scrollIntoView({ behavior: 'instant' });
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

  point(
    '3: the console has the words of silt, completes, and its scripts travel',
    async ({ page, browser, server }) => {
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
    },
  );
}
