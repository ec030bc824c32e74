/** Opens the store and fills the page, panel after panel. */

import 'siltdb/inspector';
import { App, type Panel } from './app.js';
import { el, messageOf, report } from './dom.js';
import { bench } from './panels/bench/index.js';
import { compaction } from './panels/compaction.js';
import { consolePanel } from './panels/console/index.js';
import { crash } from './panels/crash/index.js';
import { embed } from './panels/embed.js';
import { exchange } from './panels/exchange.js';
import { logMap } from './panels/log-map.js';
import { storage } from './panels/storage.js';
import { tabs } from './panels/tabs.js';
import { time } from './panels/time/index.js';
import { watch } from './panels/watch.js';
import { obeyReset } from './reset.js';
import { themeSwitch, tools } from './tools.js';

const PANELS: Record<string, Panel> = {
  map: logMap,
  time,
  console: consolePanel,
  compaction,
  benchmark: bench,
  tabs,
  crash,
  exchange,
  storage,
  watch,
  embed,
};

/** Marks the panel that is being read in the list of panels. */
function followScrolling(): void {
  const links = new Map(
    [...document.querySelectorAll<HTMLAnchorElement>('nav a')].map((a) => [a.hash.slice(1), a]),
  );
  const sections = [...document.querySelectorAll<HTMLElement>('main > section')];
  const shown = new Set<Element>();
  const seen = new IntersectionObserver(
    (entries) => {
      for (const { isIntersecting, target } of entries) {
        if (isIntersecting) shown.add(target);
        else shown.delete(target);
      }
      const first = sections.find((section) => shown.has(section));
      const link = first && links.get(first.id);
      if (!link || link.hasAttribute('aria-current')) return;
      for (const a of links.values()) a.removeAttribute('aria-current');
      link.setAttribute('aria-current', 'true');
      // Only the list is scrolled, never the page.
      const list = link.closest('ol');
      if (list) list.scrollLeft = link.offsetLeft - list.clientWidth / 3;
    },
    { rootMargin: '-15% 0px 0px 0px' },
  );
  for (const section of sections) seen.observe(section);
}

async function start(): Promise<void> {
  const toolbar = document.getElementById('tools') as HTMLElement;
  const figures = document.getElementById('figures') as HTMLElement;
  toolbar.append(themeSwitch());
  followScrolling();
  const began = performance.now();
  const app = await App.open();
  tools(toolbar, figures, app, performance.now() - began);
  obeyReset(app);
  for (const [id, panel] of Object.entries(PANELS)) {
    const root = document.querySelector<HTMLElement>(`#${id} > .panel`);
    if (!root) continue;
    try {
      await panel(root, app);
    } catch (e) {
      report(e);
      root.append(el('p', { class: 'bad' }, `This panel does not work here: ${messageOf(e)}`));
    }
  }
  document.documentElement.dataset['ready'] = 'true';
  // Once the page is at work: what it keeps for later does not compete with what it needs now.
  await navigator.serviceWorker?.register('sw.js').catch(() => undefined);
}

start().catch((e: unknown) => {
  report(e);
  const main = document.getElementById('main') as HTMLElement;
  main.prepend(el('p', { class: 'bad' }, `The store does not open: ${messageOf(e)}`));
});
