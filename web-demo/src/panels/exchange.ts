/** The store as one file, out and in, and what the command line does with it. */

import { importFile } from 'siltdb';
import type { SiltInspector } from 'siltdb/inspector';
import { type App, type Opened, openText } from '../app.js';
import { button, el, fill, messageOf } from '../dom.js';
import { bytes, count, counted, cut, length, moment } from '../format.js';
import { removeStore } from '../reset.js';

const IMPORTED = 'demo-imported';
const FILE = 'demo.silt';

/** What `sha256sum` prints. */
async function sha256(file: Blob): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', await file.arrayBuffer());
  return Array.from(new Uint8Array(digest), (b) => b.toString(16).padStart(2, '0')).join('');
}

function commands(file: string): HTMLElement {
  const text = [
    `sha256sum ${file}`, `silt restore ${file} restored`, 'silt --db restored verify',
    'silt --db restored scan --limit 5',
  ].join('\n');
  return el('div', {}, el('p', { class: 'note' }, 'On the command line:'), el('pre', { class: 'block', id: 'exchange-commands' }, text));
}

class Exchange {
  readonly #app: App;
  readonly #out = el('div', { class: 'stack', id: 'exchange-out' });
  readonly #in = el('div', { class: 'stack', id: 'exchange-in', 'aria-live': 'polite' });
  #imported: Opened | undefined;

  constructor(root: HTMLElement, app: App) {
    this.#app = app;
    const input = el('input', { type: 'file', accept: '.silt', id: 'exchange-file', class: 'unseen', 'aria-label': 'A .silt file',
      tabindex: '-1' });
    input.addEventListener('change', () => {
      const file = input.files?.[0];
      if (file) void this.#import(file);
      input.value = '';
    });
    const drop = el('div', { class: 'drop' },
      el('p', {}, 'Drop a ', el('code', {}, '.silt'), ' file here, or '),
      button('Choose a file', () => input.click()), input);
    for (const type of ['dragover', 'dragenter']) {
      drop.addEventListener(type, (e) => {
        e.preventDefault();
        drop.classList.add('over');
      });
    }
    drop.addEventListener('dragleave', () => drop.classList.remove('over'));
    drop.addEventListener('drop', (e) => {
      e.preventDefault();
      drop.classList.remove('over');
      const file = e.dataTransfer?.files[0];
      if (file) void this.#import(file);
    });
    root.append(el('div', { class: 'columns' },
      el('div', { class: 'stack' }, el('h3', {}, 'Out'),
        el('div', { class: 'row' }, button('Export this store', () => this.#export(), { class: 'primary', id: 'exchange-export' })),
        this.#out),
      el('div', { class: 'stack' }, el('h3', {}, 'In'), drop, this.#in)));
  }

  async #export(): Promise<void> {
    const began = performance.now();
    const blob = await this.#app.db.exportFile();
    const ms = performance.now() - began;
    const address = URL.createObjectURL(blob);
    const link = el('a', { href: address, download: FILE, id: 'exchange-link' }, `Save ${FILE}`);
    fill(this.#out,
      el('p', {}, `${bytes(blob.size)} in ${length(ms)}. `, link),
      el('p', { class: 'note' }, 'SHA-256'), el('pre', { class: 'block', id: 'exchange-sha' }, await sha256(blob)),
      commands(FILE));
    link.click();
  }

  async #import(file: File): Promise<void> {
    fill(this.#in, el('p', {}, `Reading ${file.name}\u2026`));
    try {
      await this.#imported?.db.close();
      this.#imported = undefined;
      await removeStore(IMPORTED);
      const began = performance.now();
      await importFile(IMPORTED, file, { fallback: 'memory' });
      const opened = await openText(IMPORTED, { autoCompact: false });
      this.#imported = opened;
      await this.#show(opened, file, performance.now() - began);
    } catch (e) {
      fill(this.#in, el('p', { class: 'bad' }, messageOf(e)));
    }
  }

  async #show({ db }: Opened, file: File, ms: number): Promise<void> {
    const [stats, first] = await Promise.all([db.stats(), db.entries({ limit: 5 }).all()]);
    const map = document.createElement('silt-inspector') as SiltInspector;
    map.store = db as typeof map.store;
    fill(this.#in,
      el('p', { id: 'exchange-told' }, `${file.name}: ${counted(stats.keys, 'key')}, ${counted(stats.records, 'record')}` +
        `, verified and opened in ${length(ms)}. Last commit ${stats.lastSeq > 0 ? moment(stats.lastSeq) : 'none'}.`),
      el('p', { class: 'note' }, 'SHA-256'), el('pre', { class: 'block' }, await sha256(file)),
      el('table', {}, el('caption', {}, `The first ${count(first.length)} keys`), el('tbody', {}, ...first.map(
        ([key, value]) => el('tr', {}, el('th', { scope: 'row', class: 'mono' }, key), el('td', { class: 'mono' }, cut(value, 72)))))),
      button('Put it in place of this page\u2019s store', () => this.#take(db), { id: 'exchange-take' }), map);
  }

  /** Copies what is live into the store of the page, in one commit after another. */
  async #take(db: Opened['db']): Promise<void> {
    const own = this.#app.db;
    await own.deleteRange();
    let batch = own.batch();
    for await (const [key, value] of db.entries()) {
      batch.set(key, value);
      if (batch.size >= 256) {
        await batch.commit();
        batch = own.batch();
      }
    }
    if (batch.size > 0) await batch.commit();
  }
}

export function exchange(root: HTMLElement, app: App): void {
  new Exchange(root, app);
}
