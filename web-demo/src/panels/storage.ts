/** Where the store is kept and why, its space, and what a safe write costs here. */

import type { Durability } from 'siltdb';
import { type App, latest, openText, whileSeen } from '../app.js';
import { button, choice, el, field, fill, report, say } from '../dom.js';
import { bytes, count, length } from '../format.js';
import { removeStore } from '../reset.js';

const WRITES = 60;
const WARM_UP = 20;
/** Measured in a store of its own: what follows the reader's store would be measured with it. */
const NAME = 'demo-cost';

const MEANING: Record<Durability, string> = {
  synced: 'survives power loss',
  flushed: 'survives the death of the tab and the browser',
  buffered: 'is in memory only, and written a little later',
};

/** What the platform offers, found out here. */
async function probes(): Promise<[string, string][]> {
  const found: [string, string][] = [];
  try {
    await navigator.storage.getDirectory();
    found.push(['origin private file system', 'offered']);
  } catch (e) {
    found.push(['origin private file system', `refused: ${(e as Error).message}`]);
  }
  found.push(['IndexedDB', 'indexedDB' in globalThis ? 'offered' : 'not offered']);
  found.push([
    'locks between tabs',
    navigator.locks ? 'offered' : 'not offered: one tab at a time',
  ]);
  found.push(['secure context', isSecureContext ? 'yes' : 'no: the store needs one']);
  return found;
}

/** The same page over another kind of storage. */
function others(): HTMLElement {
  const link = (backend: string, text: string) => el('a', { href: `?backend=${backend}#storage` }, text);
  return el(
    'p',
    { class: 'note' },
    'The same page over ',
    link('opfs', 'OPFS'),
    ', ',
    link('idb', 'IndexedDB'),
    ' or ',
    link('memory', 'memory'),
    ', each with a store of its own; ',
    el('a', { href: './#storage' }, 'as the package chooses'),
    '.',
  );
}

function why(app: App): string {
  const { backend, persistent } = app.db.info;
  const passed = app.opened.fallbacks
    .map(({ from, why: reason }) => `${from} was passed over: ${reason}. `)
    .join('');
  const chosen = {
    opfs: 'OPFS, the origin private file system: real files, written in a worker without a detour.',
    idb: 'IndexedDB: the files in chunks, with a copy of all in memory.',
    memory: 'Memory: nothing here can be kept.',
  }[backend];
  return `${passed}${chosen ?? backend}${persistent ? '' : ' It is gone with this tab.'}`;
}

class StoragePanel {
  readonly #app: App;
  readonly #facts = el('table', { id: 'storage-facts' });
  readonly #costs = el('table', { id: 'storage-costs' });
  readonly #mode: HTMLSelectElement;

  constructor(root: HTMLElement, app: App) {
    this.#app = app;
    this.#mode = choice(
      Object.entries(MEANING).map(([mode, text]) => [mode, `${mode}: ${text}`]),
      'flushed',
      { id: 'storage-mode' },
    );
    const persist = button(
      'Ask the browser to keep it',
      async () => {
        const kept = await app.db.persist();
        say(
          kept
            ? 'The browser promises not to throw the data away by itself.'
            : 'The browser did not promise it; it may still keep the data.',
        );
        await this.#show();
      },
      { id: 'storage-persist' },
    );
    root.append(
      el('p', {}, why(app)),
      others(),
      el(
        'div',
        { class: 'scroll', tabindex: '0', role: 'group', 'aria-label': 'Facts' },
        this.#facts,
      ),
      el('div', { class: 'row' }, persist),
      el(
        'div',
        { class: 'row' },
        field('A write here', this.#mode),
        button(`Measure ${WRITES} writes`, () => this.#measure([this.#mode.value as Durability]), {
          id: 'storage-measure',
        }),
        button('Measure all three', () => this.#measure(['buffered', 'flushed', 'synced'])),
      ),
      this.#costs,
    );
    const show = whileSeen(
      root,
      latest(() => this.#show()),
    );
    app.onChange(() => void show());
    app.onRole(() => void show());
    show().catch(report);
  }

  async #show(): Promise<void> {
    const [space, stats, offered, own] = await Promise.all([
      this.#app.db.storage(),
      this.#app.stats(),
      probes(),
      this.#app.db.retention(),
    ]);
    const rows: [string, string][] = [
      ['kept in', this.#app.db.info.backend],
      ['this tab', this.#app.db.info.role],
      ['files of this store', `${bytes(stats.fileBytes)} in ${count(stats.segments)} segments`],
      [
        'all of this site',
        `${bytes(space.usage)} of ${bytes(space.quota)}, as the browser tells it`,
      ],
      ['may be thrown away by the browser', space.persisted ? 'no' : 'yes, when space is short'],
      ['memory of the index', bytes(stats.indexBytes)],
      ['superseded versions kept', typeof own === 'string' ? own : JSON.stringify(own)],
      [
        'safe from power loss',
        stats.durableSeq >= stats.lastSeq ? 'everything' : 'all but the last moment\u2019s writes',
      ],
      ...offered,
    ];
    fill(
      this.#facts,
      el(
        'tbody',
        {},
        ...rows.map(([name, value]) =>
          el('tr', {}, el('th', { scope: 'row' }, name), el('td', {}, value)),
        ),
      ),
    );
  }

  /** One write after the other, each waited for. */
  async #measure(modes: readonly Durability[]): Promise<void> {
    const { db } = await openText(NAME, { fallback: 'memory' });
    const rows: HTMLElement[] = [];
    for (const durability of modes) {
      const times: number[] = [];
      for (let i = -WARM_UP; i < WRITES; i += 1) {
        const began = performance.now();
        await db.set(`write ${i}`, `${durability} ${'x'.repeat(90)}`, { durability });
        if (i >= 0) times.push(performance.now() - began);
      }
      times.sort((a, b) => a - b);
      const at = (share: number) =>
        length(times[Math.min(times.length - 1, Math.floor(times.length * share))] as number);
      rows.push(
        el(
          'tr',
          {},
          el('th', { scope: 'row' }, durability),
          el('td', { class: 'wide' }, MEANING[durability]),
          el('td', { class: 'n' }, at(0.5)),
          el('td', { class: 'n' }, at(0.99)),
          el('td', { class: 'n' }, at(1)),
        ),
      );
    }
    await db.close();
    await removeStore(NAME);
    fill(
      this.#costs,
      el(
        'caption',
        {},
        `${WRITES} writes of 100 bytes, each waited for, in a store of their own: ` +
          'your machine, this tab',
      ),
      el(
        'thead',
        {},
        el(
          'tr',
          {},
          el('th', { scope: 'col' }, 'mode'),
          el('th', { scope: 'col', class: 'wide' }, 'the write'),
          ...['median', '99%', 'slowest'].map((name) =>
            el('th', { scope: 'col', class: 'n' }, name),
          ),
        ),
      ),
      el('tbody', {}, ...rows),
    );
  }
}

export function storage(root: HTMLElement, app: App): void {
  new StoragePanel(root, app);
}
