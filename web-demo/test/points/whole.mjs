// Storage, the feed, and the page as a whole: how it looks, without a network, thrown away.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

const path = '../../node_modules/axe-core/axe.min.js';
const axe = readFileSync(new URL(path, import.meta.url), 'utf8');

export function whole(point) {
  point('9: the storage panel says where, why and at what cost', async ({ page, browser }) => {
    await page.see('#storage-facts', /kept in\s+opfs[^]*all of this site[^]*thrown away/);
    await page.set('#storage-mode', 'synced');
    await page.click('#storage-measure');
    await page.see('#storage-costs', /synced[^]*(ms|s)/);
    await page.click('#storage-persist');
    await page.see('#status', /browser/);
    await page.shotOf('#storage', 'storage');
  });

  point(
    '12: light and dark, wide and narrow, without a fault that axe-core finds',
    async ({ page }) => {
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
              resultTypes: ['violations'],
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
    },
  );

  point(
    '10: the feed goes on after a reload, with what happened meanwhile',
    async ({ page, browser, server }) => {
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
    },
  );

  point('over IndexedDB it is the same page', async ({ page, browser, server }) => {
    const other = await browser.tab();
    await other.open(`${server.url}?backend=idb`);
    await other.see('#role', /idb$/);
    await other.click('#map-set');
    await other.type('#console-line', 'count');
    await other.key('Enter');
    await other.see('#console-log', /count\n+1\n/);
    assert.match(await other.text('#crash'), /here stores are kept in idb/);
    // What is above it may grow while it is filled, and push it out of sight.
    await other.until('the storage panel', () => {
      document.querySelector('#storage').scrollIntoView({ behavior: 'instant' });
      return /kept in\s+idb/.test(document.querySelector('#storage-facts').innerText);
    });
    await other.reload();
    await other.ready();
    await other.see('#figures', /keys\s+1\s/);
    await other.close();
    await page.front();
  });

  point('12: the first key goes to the panels, and each panel is named', async ({ page }) => {
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

  point(
    'without a network the page opens, with all that it held',
    async ({ page, server, figure }) => {
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
    },
  );

  point('all of it can be thrown away', async ({ page, figure }) => {
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

  point('nothing was written to the console as an error', ({ page, browser }) => {
    // A request that fails without a network is told by the browser itself.
    const told = page.errors.filter(
      (error) => !/ERR_CONNECTION_REFUSED|Failed to fetch|NetworkError/.test(error),
    );
    assert.deepEqual(told, []);
  });
}
