/** The same work on several kinds of storage, in this tab. */

import { button, choice, el, field, fill } from '../../dom.js';
import { count, length } from '../../format.js';
import { CONTENDERS } from './contenders.js';
import { PHASES, type Result, runContender, type Settings } from './measure.js';

class Bench {
  readonly #records = choice([['200', '200 records'], ['1000', '1\u2009000 records'], ['5000', '5\u2009000 records']], '200',
    { id: 'bench-records' });
  readonly #bytes = choice([['100', '100 bytes'], ['1000', '1\u2009000 bytes'], ['10000', '10\u2009000 bytes']], '100',
    { id: 'bench-bytes' });
  readonly #chosen = new Map(CONTENDERS.map(({ id }) => [id, el('input', { type: 'checkbox', checked: true })]));
  readonly #told = el('p', { class: 'note', id: 'bench-told', 'aria-live': 'polite' });
  readonly #tables = el('div', { class: 'stack', id: 'bench-tables' });
  readonly #cancel: HTMLButtonElement;
  readonly #save: HTMLButtonElement;
  #stop: AbortController | undefined;
  #results: Result[] = [];
  #settings: Settings = { records: 0, valueBytes: 0 };

  constructor(root: HTMLElement) {
    this.#cancel = el('button', { type: 'button', id: 'bench-cancel', disabled: true, onclick: () => this.#stop?.abort() }, 'Cancel');
    this.#save = el('button', { type: 'button', id: 'bench-save', disabled: true, onclick: () => this.#download() }, 'Save as JSON');
    root.append(
      el('div', { class: 'row' }, button('Run', () => this.#run(), { class: 'primary', id: 'bench-run' }), this.#cancel, this.#save,
        field('With', this.#records), field('of', this.#bytes)),
      el('div', { class: 'row', role: 'group', 'aria-label': 'What is measured' }, ...CONTENDERS.map(
        ({ id, name, note }) => el('label', { class: 'field', title: note }, this.#chosen.get(id), name))),
      this.#told, this.#tables);
  }

  async #run(): Promise<void> {
    this.#settings = { records: Number(this.#records.value), valueBytes: Number(this.#bytes.value) };
    this.#results = [];
    this.#stop = new AbortController();
    this.#cancel.disabled = false;
    this.#save.disabled = true;
    const chosen = CONTENDERS.filter(({ id }) => this.#chosen.get(id)?.checked);
    const began = performance.now();
    try {
      for (const contender of chosen) {
        this.#told.textContent = `${contender.name}\u2026`;
        for await (const result of runContender(contender, this.#settings, this.#stop.signal)) {
          this.#results.push(result);
          this.#show();
        }
      }
      const hidden = document.hidden ? ' The tab was hidden meanwhile: frames are not told.' : '';
      this.#told.textContent = `Your machine, this tab: ${count(this.#settings.records)} records of ${count(this.#settings.valueBytes)} ` +
        `bytes, every value read is checked; bars do not go as far as localStorage, which stops the page while it works; ${length(performance.now() - began)} in all.${hidden}`;
    } catch (e) {
      if (!this.#stop.signal.aborted) throw e;
      this.#told.textContent = 'Cancelled: what was measured until then stays.';
    } finally {
      this.#cancel.disabled = true;
      this.#save.disabled = this.#results.length === 0;
    }
  }

  #show(): void {
    const failed = this.#results.filter((result) => result.failed !== undefined);
    fill(this.#tables, ...Object.entries(PHASES).map(([phase, title]) => this.#table(phase, title)),
      ...failed.map(({ contender, failed: why }) => el('p', { class: 'note' }, `${contender}: ${why}`)));
  }

  #table(phase: string, title: string): HTMLElement {
    const rows = this.#results.filter((result) => result.phase === phase && result.failed === undefined);
    const rate = (result: Result) => (result.records / result.ms) * 1000;
    // What blocks the page is quick in another sense: it does not set the scale.
    const best = Math.max(1, ...rows.filter(({ contender }) => contender !== 'local').map(rate));
    const width = (result: Result) => Math.min(100, (100 * rate(result)) / best);
    const heads = ['', 'records a second', 'median', '99%', 'longest frame'];
    return el('div', { class: 'scroll', tabindex: '0', role: 'group', 'aria-label': title }, el('table', { class: 'bench' },
      el('caption', {}, title),
      el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, el('span', { class: 'unseen' }, 'storage')),
        el('td', { class: 'bar-head' }), ...heads.slice(1).map((head) => el('th', { scope: 'col', class: 'n' }, head)))),
      el('tbody', {}, ...rows.map((result) => el('tr', {},
        el('th', { scope: 'row' }, CONTENDERS.find(({ id }) => id === result.contender)?.name ?? ''),
        el('td', { class: 'bar-cell', 'aria-hidden': 'true' }, el('i', { style: `width:${width(result)}%`,
          class: result.contender.startsWith('silt') ? 'ours' : '' })),
        el('td', { class: 'n' }, count(rate(result))), el('td', { class: 'n' }, tick(result.p50)),
        el('td', { class: 'n' }, tick(result.p99)), el('td', { class: 'n' }, length(result.gap)))))));
  }

  #download(): void {
    const told = {
      what: 'SiltDB demo page, benchmark', when: new Date().toISOString(), browser: navigator.userAgent,
      cores: navigator.hardwareConcurrency, settings: this.#settings, results: this.#results,
    };
    const blob = new Blob([JSON.stringify(told, undefined, 2)], { type: 'application/json' });
    const address = URL.createObjectURL(blob);
    el('a', { href: address, download: 'siltdb-benchmark.json' }).click();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
  }
}

/** The clock of a page goes in steps of 0.1 ms. */
function tick(ms: number): string {
  return ms < 0.1 ? 'below 0.1 ms' : length(ms);
}

export function bench(root: HTMLElement): void {
  new Bench(root);
}
