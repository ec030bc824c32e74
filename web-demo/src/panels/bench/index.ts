/** The same work on several kinds of storage, in this tab. */

import { button, choice, el, field, fill } from '../../dom.js';
import { count, length } from '../../format.js';
import { CONTENDERS } from './contenders.js';
import { JankMeter } from './jank.js';
import { writeOn } from './load.js';
import { PHASES, type Result, runContender, type Settings } from './measure.js';

class Bench {
  readonly #records = choice(
    [
      ['200', '200 records'],
      ['1000', '1\u2009000 records'],
      ['5000', '5\u2009000 records'],
    ],
    '200',
    { id: 'bench-records' },
  );
  readonly #bytes = choice(
    [
      ['100', '100 bytes'],
      ['1000', '1\u2009000 bytes'],
      ['10000', '10\u2009000 bytes'],
    ],
    '100',
    { id: 'bench-bytes' },
  );
  readonly #chosen = new Map(
    CONTENDERS.map(({ id }) => [id, el('input', { type: 'checkbox', checked: true })]),
  );
  readonly #told = el('p', { class: 'note', id: 'bench-told', 'aria-live': 'polite' });
  readonly #jank = new JankMeter();
  readonly #loaded = choice(
    CONTENDERS.map(({ id, name }) => [id, name] as const),
    'silt-flushed',
    { id: 'bench-load-what' },
  );
  readonly #run: HTMLButtonElement;
  readonly #load: HTMLButtonElement;
  readonly #tables = el('div', { class: 'stack', id: 'bench-tables' });
  readonly #cancel: HTMLButtonElement;
  readonly #save: HTMLButtonElement;
  #stop: AbortController | undefined;
  #results: Result[] = [];
  #settings: Settings = { records: 0, valueBytes: 0 };

  constructor(root: HTMLElement) {
    this.#cancel = el(
      'button',
      { type: 'button', id: 'bench-cancel', disabled: true, onclick: () => this.#stop?.abort() },
      'Cancel',
    );
    this.#save = el(
      'button',
      { type: 'button', id: 'bench-save', disabled: true, onclick: () => this.#download() },
      'Save as JSON',
    );
    this.#run = button('Run', () => this.#compare(), { class: 'primary', id: 'bench-run' });
    this.#load = button('Write for ten seconds', () => this.#write(), { id: 'bench-load' });
    root.append(
      el(
        'div',
        { class: 'row' },
        this.#run,
        this.#cancel,
        this.#save,
        field('With', this.#records),
        field('of', this.#bytes),
      ),
      el(
        'div',
        { class: 'row', role: 'group', 'aria-label': 'What is measured' },
        ...CONTENDERS.map(({ id, name, note }) =>
          el('label', { class: 'field', title: note }, this.#chosen.get(id), name),
        ),
      ),
      el(
        'div',
        { class: 'row' },
        this.#load,
        field('without a pause, with', this.#loaded),
        el('span', { class: 'note' }, 'and use the page meanwhile'),
      ),
      this.#told,
      this.#jank.root,
      this.#tables,
    );
  }

  /** One task at a time, which can be cancelled; frames are watched meanwhile. */
  async #attend(task: (signal: AbortSignal) => Promise<string>): Promise<void> {
    this.#settings = {
      records: Number(this.#records.value),
      valueBytes: Number(this.#bytes.value),
    };
    const stop = (this.#stop = new AbortController());
    this.#cancel.disabled = false;
    this.#run.disabled = this.#load.disabled = true;
    this.#jank.start();
    try {
      const told = await task(stop.signal);
      this.#told.textContent = document.hidden
        ? `${told} The tab was hidden meanwhile: frames are not told.`
        : told;
    } catch (e) {
      if (!stop.signal.aborted) throw e;
      this.#told.textContent = 'Cancelled: what was measured until then stays.';
    } finally {
      this.#jank.stop();
      this.#cancel.disabled = true;
      this.#run.disabled = this.#load.disabled = false;
    }
  }

  #compare(): Promise<void> {
    this.#results = [];
    this.#save.disabled = true;
    return this.#attend(async (signal) => {
      const began = performance.now();
      for (const contender of CONTENDERS.filter(({ id }) => this.#chosen.get(id)?.checked)) {
        this.#told.textContent = `${contender.name}\u2026`;
        this.#jank.during(contender.name);
        try {
          for await (const result of runContender(contender, this.#settings, signal)) {
            this.#results.push(result);
          }
        } finally {
          this.#jank.rest();
          this.#show();
        }
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      const { records, valueBytes } = this.#settings;
      return (
        `Your machine, this tab: ${count(records)} records of ${count(valueBytes)} bytes, ` +
        '20 more to warm up, every value read is checked; bars do not go as far as localStorage, which ' +
        'stops the page while it works; ' +
        `${length(performance.now() - began)} in all.`
      );
    }).finally(() => (this.#save.disabled = this.#results.length === 0));
  }

  #write(): Promise<void> {
    return this.#attend(async (signal) => {
      const contender = CONTENDERS.find(({ id }) => id === this.#loaded.value)!;
      let told = '';
      this.#jank.during(contender.name);
      await writeOn(contender, this.#settings, signal, (records, ms) => {
        const rate = count((records / ms) * 1000);
        told = `${contender.name}: ${rate} records a second, ${count(records)} in all.`;
        this.#told.textContent = told;
      });
      return told;
    });
  }

  #show(): void {
    const failed = this.#results.filter((result) => result.failed !== undefined);
    fill(
      this.#tables,
      ...Object.entries(PHASES).map(([phase, title]) => this.#table(phase, title)),
      ...failed.map(({ contender, failed: why }) =>
        el('p', { class: 'note' }, `${contender}: ${why}`),
      ),
    );
  }

  #table(phase: string, title: string): HTMLElement {
    const rows = this.#results.filter(
      (result) => result.phase === phase && result.failed === undefined,
    );
    const rate = (result: Result) => (result.records / result.ms) * 1000;
    // What blocks the page is quick in another sense: it does not set the scale.
    const best = Math.max(1, ...rows.filter(({ contender }) => contender !== 'local').map(rate));
    const width = (result: Result) => Math.min(100, (100 * rate(result)) / best);
    const heads = ['', 'records a second', 'median', '99%', 'longest frame'];
    return el(
      'div',
      { class: 'scroll', tabindex: '0', role: 'group', 'aria-label': title },
      el(
        'table',
        { class: 'bench' },
        el('caption', {}, title),
        el(
          'thead',
          {},
          el(
            'tr',
            {},
            el('th', { scope: 'col' }, el('span', { class: 'unseen' }, 'storage')),
            el('td', { class: 'bar-head' }),
            ...heads.slice(1).map((head) => el('th', { scope: 'col', class: 'n' }, head)),
          ),
        ),
        el(
          'tbody',
          {},
          ...rows.map((result) =>
            el(
              'tr',
              {},
              el(
                'th',
                { scope: 'row' },
                CONTENDERS.find(({ id }) => id === result.contender)?.name ?? '',
              ),
              el(
                'td',
                { class: 'bar-cell', 'aria-hidden': 'true' },
                el('i', {
                  style: `width:${width(result)}%`,
                  class: result.contender.startsWith('silt') ? 'ours' : '',
                }),
              ),
              el('td', { class: 'n' }, count(rate(result))),
              el('td', { class: 'n' }, tick(result.p50)),
              el('td', { class: 'n' }, tick(result.p99)),
              el('td', { class: 'n' }, length(result.gap)),
            ),
          ),
        ),
      ),
    );
  }

  #download(): void {
    const told = {
      what: 'SiltDB demo page, benchmark',
      when: new Date().toISOString(),
      browser: navigator.userAgent,
      cores: navigator.hardwareConcurrency,
      settings: this.#settings,
      results: this.#results,
      frames: this.#jank.stretches,
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
