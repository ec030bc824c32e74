/** The whole store as it was at any moment, beside what it is now. */

import type { App } from '../../app.js';
import { latest, whileSeen } from '../../app.js';
import { button, choice, el, field, fill, say } from '../../dom.js';
import { ago, clock, count, counted, cut, moment } from '../../format.js';
import { Commits } from './commits.js';
import { thenAndNow } from './value.js';

const BARS = 120;
const ROWS = 100;
const STEPS = 10_000;

type Row = { key: string; mark: string; text: string };

class TimePanel {
  readonly #app: App;
  readonly #commits = new Commits();
  readonly #bars = el('div', { class: 'histogram', 'aria-hidden': 'true' });
  readonly #slider = el('input', {
    type: 'range',
    min: 0,
    max: 0,
    value: 0,
    id: 'time-slider',
    'aria-label': 'Moment',
  });
  readonly #axis = choice(
    [
      ['commits', 'by commit'],
      ['clock', 'by the clock'],
    ],
    'commits',
  );
  readonly #what = choice(
    [
      ['diff', 'what differs from now'],
      ['keys', 'all keys then'],
    ],
    'diff',
    { id: 'time-what' },
  );
  readonly #prefix = el('input', {
    type: 'text',
    placeholder: 'char/',
    size: 12,
    spellcheck: 'false',
    autocapitalize: 'off',
    autocomplete: 'off',
    id: 'time-prefix',
  });
  readonly #facts = el('dl', { class: 'figures', id: 'time-facts' });
  readonly #list = el('ul', { class: 'keys', id: 'time-keys' });
  readonly #listNote = el('p', { class: 'note' });
  readonly #record = el('div', { class: 'record', id: 'time-record' });
  /** How many commits are seen; all of them while `#atEnd`. */
  #seen = 0;
  #atEnd = true;
  #key: string | undefined;
  #playing = false;
  readonly #read = latest(() => this.#readMoment());
  readonly #readCommits = latest(async () => {
    await this.#commits.refresh(this.#app.db);
    if (this.#atEnd) this.#seen = this.#commits.seqs.length;
    this.#drawBars();
    this.#place();
    await this.#read();
  });

  constructor(root: HTMLElement, app: App) {
    this.#app = app;
    this.#slider.addEventListener('input', () => this.#moved());
    this.#axis.addEventListener('change', () => {
      this.#drawBars();
      this.#place();
    });
    for (const control of [this.#what, this.#prefix]) {
      control.addEventListener('input', () => void this.#read());
    }
    const play = button('Play', () => this.#play());
    const now = button('Now', () => this.#to(this.#commits.seqs.length));
    root.append(
      el(
        'div',
        { class: 'row' },
        button('Make some changes', () => this.#change(), { id: 'time-make' }),
        play,
        now,
        field('Axis', this.#axis),
      ),
      el('div', {}, this.#bars, this.#slider),
      this.#facts,
      el(
        'div',
        { class: 'row' },
        field('Show', this.#what),
        field('Keys that begin with', this.#prefix),
      ),
      el('div', { class: 'columns' }, el('div', {}, this.#list, this.#listNote), this.#record),
    );
    const read = whileSeen(root, this.#readCommits);
    app.onChange(() => void read());
    void read();
  }

  get #byClock(): boolean {
    return this.#axis.value === 'clock';
  }

  #moved(): void {
    const { seqs } = this.#commits;
    const at = Number(this.#slider.value);
    if (this.#byClock && seqs.length > 0) {
      const [start, stop] = [seqs[0] as number, seqs.at(-1) as number];
      this.#seen = at === 0 ? 0 : this.#commits.after(start + ((stop - start) * at) / STEPS);
    } else this.#seen = at;
    this.#atEnd = this.#seen === seqs.length;
    this.#mark();
    void this.#read();
  }

  #to(seen: number): void {
    this.#seen = seen;
    this.#atEnd = seen === this.#commits.seqs.length;
    this.#place();
    void this.#read();
  }

  /** Puts the slider where the moment is. */
  #place(): void {
    const { seqs } = this.#commits;
    if (this.#byClock) {
      const [start, stop] = [seqs[0] ?? 0, seqs.at(-1) ?? 1];
      const share = (this.#commits.momentAfter(this.#seen) - start) / Math.max(1, stop - start);
      this.#slider.max = String(STEPS);
      this.#slider.value = String(this.#seen === 0 ? 0 : Math.round(share * STEPS));
    } else {
      this.#slider.max = String(seqs.length);
      this.#slider.value = String(this.#seen);
    }
    this.#mark();
  }

  #drawBars(): void {
    const { length } = this.#commits.seqs;
    const bars = this.#commits.bars(
      this.#byClock ? BARS : Math.max(1, Math.min(BARS, length)),
      this.#byClock,
    );
    const most = Math.max(1, ...bars.map(({ changes }) => changes));
    fill(
      this.#bars,
      ...bars.map(({ changes, first }) => {
        // The square root: one change stays visible beside a batch of a thousand.
        const height = changes === 0 ? 0 : Math.max(4, 100 * Math.sqrt(changes / most));
        return el('i', { style: `height:${height}%`, 'data-first': first });
      }),
    );
  }

  #mark(): void {
    for (const bar of this.#bars.children) {
      bar.classList.toggle('later', Number((bar as HTMLElement).dataset['first']) >= this.#seen);
    }
    const seq = this.#commits.momentAfter(this.#seen);
    this.#slider.setAttribute(
      'aria-valuetext',
      `after ${this.#seen} of ${this.#commits.seqs.length} commits, ${moment(seq)}`,
    );
  }

  async #readMoment(): Promise<void> {
    const { db } = this.#app;
    const { seqs } = this.#commits;
    const at = this.#commits.momentAfter(this.#seen);
    if (seqs.length === 0) {
      fill(
        this.#facts,
        el('div', {}, el('dt', {}, 'moment'), el('dd', {}, 'nothing is written yet')),
      );
      fill(this.#list);
      this.#listNote.textContent = 'Load the data set, or make some changes.';
      return;
    }
    const [then, now] = await Promise.all([db.count({ at }), db.count()]);
    const facts: [string, string][] = [
      ['moment', this.#seen === 0 ? 'before the first commit' : `${moment(at)} \u00b7 ${ago(at)}`],
      ['seq', count(at)],
      ['commits seen', `${count(this.#seen)} of ${count(seqs.length)}`],
      ['keys then', count(then)],
      ['keys now', count(now)],
    ];
    fill(
      this.#facts,
      ...facts.map(([name, value]) => el('div', {}, el('dt', {}, name), el('dd', {}, value))),
    );
    const { rows, more } =
      this.#what.value === 'diff' ? await this.#differing(at) : await this.#keys(at);
    const focused =
      document.activeElement instanceof HTMLButtonElement &&
      this.#list.contains(document.activeElement)
        ? document.activeElement.dataset['key']
        : undefined;
    fill(this.#list, ...rows.map((row) => this.#row(row)));
    if (focused)
      this.#list.querySelector<HTMLElement>(`[data-key="${CSS.escape(focused)}"]`)?.focus();
    this.#listNote.textContent =
      rows.length === 0
        ? this.#what.value === 'diff'
          ? 'Nothing differs: then is as now.'
          : 'No keys then.'
        : more
          ? `The first ${ROWS}; narrow them by what they begin with.`
          : counted(rows.length, 'key');
    await this.#showRecord(at);
  }

  async #differing(at: number): Promise<{ rows: Row[]; more: boolean }> {
    const rows: Row[] = [];
    const prefix = this.#prefix.value || undefined;
    if (this.#atEnd) return { rows, more: false };
    const end = this.#commits.seqs.at(-1) as number;
    for await (const { key, before, after } of this.#app.db.diff(at, end, { prefix })) {
      if (rows.length === ROWS) return { rows, more: true };
      const mark = !before ? '+' : !after ? '\u2212' : '~';
      rows.push({ key, mark, text: (after ?? before)?.value ?? '' });
    }
    return { rows, more: false };
  }

  async #keys(at: number): Promise<{ rows: Row[]; more: boolean }> {
    const prefix = this.#prefix.value || undefined;
    const found = await this.#app.db.entries({ at, prefix, limit: ROWS + 1 }).all();
    const rows = found.slice(0, ROWS).map(([key, text]) => ({ key, mark: '', text }));
    return { rows, more: found.length > ROWS };
  }

  #row({ key, mark, text }: Row): HTMLElement {
    const what = { '+': 'came since', '\u2212': 'gone since', '~': 'changed since' }[mark];
    return el(
      'li',
      {},
      el(
        'button',
        {
          type: 'button',
          'data-key': key,
          'aria-pressed': String(key === this.#key),
          onclick: () => {
            this.#key = key;
            void this.#read();
          },
        },
        el('b', { class: 'mark', title: what }, mark),
        what ? el('span', { class: 'unseen' }, `${what}: `) : undefined,
        el('code', {}, key),
        el('span', { class: 'note' }, cut(text, 60)),
      ),
    );
  }

  async #showRecord(at: number): Promise<void> {
    const key = this.#key;
    const { db } = this.#app;
    if (key === undefined) {
      fill(this.#record, el('p', { class: 'note' }, 'Choose a key to see its value then and now.'));
      return;
    }
    const [then, now, versions] = await Promise.all([
      db.get(key, { at }),
      db.get(key),
      db.history(key, { limit: 24 }),
    ]);
    const restore = button(
      'Restore this version',
      async () => {
        if (then === undefined) await db.delete(key);
        else await db.set(key, then);
        say(
          `${key} is again what it was at ${clock(at)}: written forward, ` +
            'nothing of the past is lost.',
        );
      },
      { id: 'time-restore' },
    );
    restore.hidden = then === now;
    fill(
      this.#record,
      el('div', { class: 'row' }, el('h3', { class: 'mono' }, key), restore),
      thenAndNow(then, now),
      el('p', { class: 'note' }, `${counted(versions.length, 'version')}, newest first:`),
      el(
        'div',
        { class: 'row' },
        ...versions.map(({ seq, type }) =>
          button(
            `${clock(seq)}${type === 'delete' ? ' deleted' : ''}`,
            () => this.#to(this.#commits.after(seq)),
            { class: 'chip mono' },
          ),
        ),
      ),
    );
  }

  /** A few commits on characters that are there, or on notes of its own. */
  async #change(): Promise<void> {
    const { db } = this.#app;
    const keys = await db.keys({ prefix: 'char/U+1F6', limit: 200 }).all();
    const names = keys.length > 0 ? keys : ['note/tea', 'note/bread', 'note/rain', 'note/river'];
    const pick = () => names[Math.floor(Math.random() * names.length)] as string;
    for (let i = 0; i < 4; i += 1) {
      const key = pick();
      const now = await db.get(key);
      const value = now?.startsWith('{') ? (JSON.parse(now) as object) : { name: key };
      await db.set(key, JSON.stringify({ ...value, likes: Math.floor(Math.random() * 1000) }));
    }
    const batch = db.batch().delete(pick());
    batch.set('note/last', JSON.stringify({ changed: new Date().toISOString() }));
    await batch.commit();
    await this.#readCommits();
    // Right before them: what differs from now are they.
    this.#to(Math.max(0, this.#commits.seqs.length - 5));
  }

  /** Runs through time in a few seconds. */
  async #play(): Promise<void> {
    if (this.#playing) return;
    this.#playing = true;
    const all = this.#commits.seqs.length;
    const frames = 60;
    try {
      for (let frame = 0; frame <= frames; frame += 1) {
        this.#to(Math.round((all * frame) / frames));
        await this.#read();
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    } finally {
      this.#playing = false;
    }
  }
}

export function time(root: HTMLElement, app: App): void {
  new TimePanel(root, app);
}
