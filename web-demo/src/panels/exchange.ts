/** The store as one file, out and in, and what the command line does with it. */

import { importFile } from 'siltdb';
import type { SiltInspector } from 'siltdb/inspector';
import { type App, BACKEND, type Opened, openText } from '../app.js';
import { button, el, fill, messageOf, report, say } from '../dom.js';
import { bytes, count, counted, cut, length, moment } from '../format.js';
import { removeStore } from '../reset.js';
import { factsOf } from './silt-file.js';

const IMPORTED = 'demo-imported';
const FILE = 'demo.silt';
const COMMANDS = [
  `sha256sum ${FILE}`,
  `silt restore ${FILE} restored`,
  'silt --db restored verify',
  'silt --db restored scan --limit 5',
].join('\n');
const SAMPLE = 5;
const COPIED_AT_ONCE = 256;

function figures(list: readonly (readonly [string, string])[], id: string): HTMLElement {
  return el(
    'dl',
    { class: 'figures', id },
    ...list.map(([name, value]) => el('div', {}, el('dt', {}, name), el('dd', {}, value))),
  );
}

/** A digest over all of the width, as it is compared. */
function digest(sha256: string, id: string): HTMLElement {
  return el(
    'div',
    {},
    el('p', { class: 'note' }, 'SHA-256'),
    el('pre', { class: 'block', id }, sha256),
  );
}

/** Text to take to a terminal. */
function toCopy(text: string, id: string): HTMLElement {
  const copy = button(
    'Copy',
    async () => {
      await navigator.clipboard.writeText(text);
      say('Copied.');
    },
    { class: 'chip', 'aria-label': 'Copy the commands' },
  );
  return el(
    'div',
    {},
    el('div', { class: 'row spread' }, el('p', { class: 'note' }, 'On the command line'), copy),
    el('pre', { class: 'block', id }, text),
  );
}

class Exchange {
  readonly #app: App;
  readonly #root: HTMLElement;
  readonly #out = el('div', { class: 'stack', id: 'exchange-out', 'aria-live': 'polite' });
  readonly #in = el('div', { class: 'stack', id: 'exchange-in', 'aria-live': 'polite' });
  readonly #map = el('div', { id: 'exchange-map' });
  #inspector: SiltInspector | undefined;
  #address: string | undefined;
  #imported: Opened | undefined;
  #importing: Promise<void> = Promise.resolve();

  constructor(root: HTMLElement, app: App) {
    this.#app = app;
    this.#root = root;
    root.append(
      el(
        'div',
        { class: 'columns' },
        el(
          'div',
          { class: 'stack' },
          el('h3', {}, 'Out'),
          el(
            'div',
            { class: 'row' },
            button('Export this store', () => this.#export(), {
              class: 'primary',
              id: 'exchange-export',
            }),
          ),
          this.#out,
        ),
        el('div', { class: 'stack' }, el('h3', {}, 'In'), this.#dropZone(), this.#in),
      ),
      this.#map,
    );
    addEventListener('siltdb-theme', () => this.#inspector?.repaint());
    fill(
      this.#in,
      el(
        'p',
        { class: 'note' },
        'One is made by ',
        el('code', {}, 'silt --db DIR snapshot my.silt'),
        '. It is opened as a store of its own.',
      ),
    );
  }

  #dropZone(): HTMLElement {
    const input = el('input', {
      type: 'file',
      accept: '.silt',
      id: 'exchange-file',
      class: 'unseen',
      'aria-label': 'A .silt file',
      tabindex: '-1',
    });
    input.addEventListener('change', () => {
      const file = input.files?.[0];
      if (file) this.#take(file);
      input.value = '';
    });
    const zone = el(
      'div',
      { class: 'drop', id: 'exchange-drop' },
      el('p', {}, 'Drop a ', el('code', {}, '.silt'), ' file on this page, or '),
      button('Choose a file', () => input.click(), { id: 'exchange-choose' }),
      input,
    );
    // Anywhere: a file that misses the zone by a little would take the reader away from the page.
    const brings = (e: DragEvent) => e.dataTransfer?.types.includes('Files') ?? false;
    addEventListener('dragover', (e) => {
      if (!brings(e)) return;
      e.preventDefault();
      zone.classList.add('over');
    });
    addEventListener('dragleave', (e) => {
      if (e.relatedTarget === null) zone.classList.remove('over');
    });
    addEventListener('drop', (e) => {
      if (!brings(e)) return;
      e.preventDefault();
      zone.classList.remove('over');
      const file = e.dataTransfer?.files[0];
      if (!file) return;
      if (!this.#root.contains(e.target as Node)) zone.scrollIntoView({ block: 'center' });
      this.#take(file);
    });
    return zone;
  }

  async #export(): Promise<void> {
    fill(this.#out, el('p', { class: 'note' }, 'Writing\u2026'));
    const began = performance.now();
    try {
      const blob = await this.#app.db.exportFile();
      const ms = performance.now() - began;
      const { seq, crc, sha256 } = await factsOf(blob);
      if (this.#address) URL.revokeObjectURL(this.#address);
      this.#address = URL.createObjectURL(blob);
      const link = el(
        'a',
        { href: this.#address, download: FILE, id: 'exchange-link', class: 'button' },
        `Save ${FILE} again`,
      );
      fill(
        this.#out,
        figures(
          [
            ['file', bytes(blob.size)],
            ['written in', length(ms)],
            ['crc', crc],
            ['holds the store as of', moment(seq)],
          ],
          'exchange-facts',
        ),
        digest(sha256, 'exchange-sha'),
        toCopy(COMMANDS, 'exchange-commands'),
        el('p', { class: 'note' }, 'The first prints the same SHA-256, the second the same crc.'),
        el('div', { class: 'row' }, link),
      );
      link.click();
    } catch (e) {
      fill(this.#out, el('p', { class: 'bad' }, messageOf(e)));
    }
  }

  /** One file after the other. */
  #take(file: File): void {
    this.#importing = this.#importing.then(() => this.#import(file)).catch(report);
  }

  async #import(file: File): Promise<void> {
    fill(this.#in, el('p', { class: 'note' }, `Reading ${file.name}\u2026`));
    fill(this.#map);
    try {
      await this.#imported?.db.close();
      this.#imported = undefined;
      await removeStore(IMPORTED);
      const began = performance.now();
      // Where nothing can be kept, what is imported would be gone before it is opened.
      const backend = BACKEND === 'idb' ? BACKEND : 'auto';
      await importFile(IMPORTED, file, { backend });
      this.#imported = await openText(IMPORTED, { autoCompact: false, backend });
      await this.#show(this.#imported, file, performance.now() - began);
    } catch (e) {
      fill(this.#in, el('p', { class: 'bad' }, `${file.name} is not opened. ${messageOf(e)}`));
    }
  }

  async #show({ db }: Opened, file: File, ms: number): Promise<void> {
    const [stats, first, { seq, crc, sha256 }] = await Promise.all([
      db.stats(),
      db.entries({ limit: SAMPLE }).all(),
      factsOf(file),
    ]);
    this.#inspector = document.createElement('silt-inspector') as SiltInspector;
    this.#inspector.store = db;
    fill(
      this.#in,
      el(
        'p',
        { id: 'exchange-told' },
        `${file.name}: ${counted(stats.keys, 'key')}, ${counted(stats.records, 'record')}, ` +
          `every byte checked and opened in ${length(ms)}.`,
      ),
      figures(
        [
          ['file', bytes(file.size)],
          ['crc', crc],
          ['holds its store as of', moment(seq)],
        ],
        'exchange-told-facts',
      ),
      digest(sha256, 'exchange-told-sha'),
      el(
        'table',
        {},
        el('caption', {}, `The first ${counted(first.length, 'key')}`),
        el(
          'tbody',
          {},
          ...first.map(([key, value]) =>
            el(
              'tr',
              {},
              el('th', { scope: 'row', class: 'mono' }, key),
              el('td', { class: 'mono' }, cut(value)),
            ),
          ),
        ),
      ),
      el(
        'div',
        { class: 'row' },
        button('Put its keys in place of this page\u2019s', () => this.#adopt(db), {
          id: 'exchange-take',
        }),
      ),
    );
    fill(this.#map, el('h3', {}, `The files of ${file.name}`), this.#inspector);
  }

  /** Copies what is live into the store of the page, in one commit after another. */
  async #adopt(db: Opened['db']): Promise<void> {
    const own = this.#app.db;
    const { count: gone } = await own.deleteRange();
    let batch = own.batch();
    let copied = 0;
    for await (const [key, value] of db.entries()) {
      batch.set(key, value);
      copied += 1;
      if (batch.size < COPIED_AT_ONCE) continue;
      await batch.commit();
      batch = own.batch();
    }
    if (batch.size > 0) await batch.commit();
    say(
      `${counted(copied, 'key')} copied. The ${count(gone)} before them are in the past: ` +
        'move the slider of Time back.',
    );
  }
}

export function exchange(root: HTMLElement, app: App): void {
  new Exchange(root, app);
}
