/** What a compaction does, on a store of its own: before, after, and what it costs. */

import type { SegmentInfo } from 'siltdb';
import type { SiltInspector } from 'siltdb/inspector';
import { type Opened, openText } from '../app.js';
import { button, choice, el, field, fill } from '../dom.js';
import { bytes, count, counted, length, percent } from '../format.js';

const NAME = 'demo-compaction';
const KEYS = 4000;
const BATCH = 100;
/** Small steps: there is something to see between them. */
const STEP_BYTES = 32 << 10;

/** The files of a moment as bars: how long, and how much of each is dead. */
function strips(segments: readonly SegmentInfo[], longest: number): HTMLElement {
  return el(
    'ul',
    { class: 'bars' },
    ...segments.map((s) => {
      const dead = s.deadBytes / s.fileBytes;
      const bar = el(
        'span',
        { class: 'bar', style: `width:${(100 * s.fileBytes) / longest}%` },
        el('i', { class: 'dead', style: `width:${100 * dead}%` }),
      );
      return el(
        'li',
        {},
        el(
          'span',
          { class: 'note' },
          `${s.segment} ${s.state}, ${bytes(s.fileBytes)}, ${percent(dead)} dead`,
        ),
        bar,
      );
    }),
  );
}

class Theatre {
  readonly #map = document.createElement('silt-inspector') as SiltInspector;
  readonly #plan = el('p', { id: 'compaction-plan', 'aria-live': 'polite' });
  readonly #progress = el('progress', {
    max: 1,
    value: 0,
    'aria-label': 'Compaction',
    hidden: true,
  });
  readonly #report = el('div', { class: 'stack', id: 'compaction-report' });
  readonly #threshold = choice(
    [
      ['0', 'only when asked'],
      ['0.3', 'at 30% dead'],
      ['0.5', 'at 50% dead'],
      ['0.7', 'at 70% dead'],
    ],
    '0',
    { id: 'compaction-threshold' },
  );
  readonly #slow = el('input', { type: 'checkbox', checked: true, id: 'compaction-slow' });
  #opened: Promise<Opened> | undefined;
  #compacting = false;
  #turn: Promise<void> = Promise.resolve();

  constructor(root: HTMLElement) {
    addEventListener('siltdb-theme', () => this.#map.repaint());
    const act = (label: string, run: () => Promise<void>, props: Record<string, unknown> = {}) => {
      return button(label, () => this.#alone(run), props);
    };
    root.append(
      el(
        'div',
        { class: 'row' },
        act(`Write ${count(KEYS)} records`, () => this.#write(), { id: 'compaction-write' }),
        act('Overwrite a third', () => this.#overwrite(), { id: 'compaction-overwrite' }),
        act('Delete a tenth', () => this.#delete(), { id: 'compaction-delete' }),
        act('Compact', () => this.#compact(), { class: 'primary', id: 'compaction-run' }),
        field('Compact', this.#threshold),
        el('label', { class: 'field' }, this.#slow, 'slowly, to watch it'),
      ),
      this.#plan,
      this.#progress,
      this.#report,
      this.#map,
    );
    this.#plan.textContent = 'Nothing is written yet: begin with some records.';
  }

  /** One act after the other, in the order they were asked for. */
  #alone(run: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(run);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  async #db() {
    this.#opened ??= openText(NAME, {
      retention: 'latest',
      segmentBytes: 128 << 10,
      autoCompact: false,
      fallback: 'memory',
    });
    const { db } = await this.#opened;
    if (this.#map.store !== db) this.#map.store = db;
    return db;
  }

  async #write(): Promise<void> {
    await this.#put(Array.from({ length: KEYS }, (_, i) => i));
  }

  async #overwrite(): Promise<void> {
    const third = Array.from({ length: KEYS }, (_, i) => i).filter(() => Math.random() < 1 / 3);
    await this.#put(third);
  }

  async #put(numbers: readonly number[]): Promise<void> {
    const db = await this.#db();
    for (let from = 0; from < numbers.length; from += BATCH) {
      const batch = db.batch();
      for (const n of numbers.slice(from, from + BATCH)) {
        batch.set(
          `user/${String(n).padStart(6, '0')}`,
          `visit ${Math.random().toString(36)} `.repeat(3),
        );
      }
      await batch.commit();
    }
    await this.#written();
  }

  async #delete(): Promise<void> {
    const db = await this.#db();
    const batch = db.batch();
    for (let n = 0; n < KEYS; n += 1) {
      if (Math.random() < 0.1) batch.delete(`user/${String(n).padStart(6, '0')}`);
    }
    await batch.commit();
    await this.#written();
  }

  /** After writes: tells the plan, and compacts if so much is dead as was asked for. */
  async #written(): Promise<void> {
    await this.#showPlan();
    const limit = Number(this.#threshold.value);
    if (limit === 0 || this.#compacting) return;
    const { deadBytes, fileBytes } = await (await this.#db()).stats();
    if (deadBytes / fileBytes >= limit) await this.#compact();
  }

  async #showPlan(): Promise<void> {
    const db = await this.#db();
    const [plans, stats] = await Promise.all([db.compactionPlan(), db.stats()]);
    const { deadBytes, fileBytes } = stats;
    const share = percent(deadBytes / fileBytes);
    const dead = `${bytes(deadBytes)} of ${bytes(fileBytes)} are dead (${share}).`;
    const runs = plans.map(({ segments, inputBytes, reason }) => {
      return `segments ${segments.join(', ')} (${bytes(inputBytes)}, ${reason})`;
    });
    this.#plan.textContent =
      plans.length === 0
        ? `${dead} A compaction would do nothing.`
        : `${dead} A compaction would rewrite ${runs.join('; ')}.`;
  }

  async #compact(): Promise<void> {
    const db = await this.#db();
    this.#compacting = true;
    const [before, segmentsBefore, keys] = await Promise.all([
      db.stats(),
      db.segments(),
      db.count(),
    ]);
    const reading = this.#read(keys);
    this.#progress.hidden = false;
    const began = performance.now();
    let steps = 0;
    try {
      await db.compact({
        stepBytes: STEP_BYTES,
        onProgress: async ({ done, total }) => {
          steps += 1;
          this.#progress.value = total > 0 ? done / total : 1;
          if (!this.#slow.checked) return;
          await this.#map.refresh();
          await new Promise((resolve) => setTimeout(resolve, 40));
        },
      });
    } finally {
      this.#compacting = false;
      this.#progress.hidden = true;
    }
    const ms = performance.now() - began;
    const reads = await reading;
    const [after, segmentsAfter] = await Promise.all([db.stats(), db.segments()]);
    await this.#map.refresh();
    const written = after.bytesCompacted - before.bytesCompacted;
    const amplification =
      (after.bytesAppended + after.bytesCompacted) / Math.max(1, after.bytesAppended);
    const inputs = before.fileBytes - after.fileBytes + written;
    const longest = Math.max(1, ...[...segmentsBefore, ...segmentsAfter].map((s) => s.fileBytes));
    const rows: [string, string][] = [
      ['files before', bytes(before.fileBytes)],
      ['files after', bytes(after.fileBytes)],
      ['given back', bytes(Math.max(0, before.fileBytes - after.fileBytes))],
      ['bytes read', bytes(Math.max(0, inputs))],
      ['bytes written', bytes(written)],
      ['write amplification since it was opened', `${amplification.toFixed(2)} times`],
      ['steps', `${count(steps)} in ${length(ms)}${this.#slow.checked ? ', slowed down' : ''}`],
      ['reads meanwhile', `${counted(reads.done, 'get')}, ${count(reads.wrong)} wrong`],
      ['slowest of them', length(reads.slowest)],
    ];
    fill(
      this.#report,
      el(
        'div',
        { class: 'columns' },
        el('div', {}, el('h3', {}, 'Before'), strips(segmentsBefore, longest)),
        el('div', {}, el('h3', {}, 'After'), strips(segmentsAfter, longest)),
      ),
      el(
        'dl',
        { class: 'figures' },
        ...rows.map(([name, value]) => el('div', {}, el('dt', {}, name), el('dd', {}, value))),
      ),
    );
    await this.#showPlan();
  }

  /** Reads without a pause while the compaction goes on, and checks what comes. */
  async #read(keys: number): Promise<{ done: number; wrong: number; slowest: number }> {
    const db = await this.#db();
    const result = { done: 0, wrong: 0, slowest: 0 };
    if (keys === 0) return result;
    while (this.#compacting) {
      const key = `user/${String(Math.floor(Math.random() * KEYS)).padStart(6, '0')}`;
      const began = performance.now();
      const value = await db.get(key);
      result.slowest = Math.max(result.slowest, performance.now() - began);
      result.done += 1;
      if (value !== undefined && !value.startsWith('visit ')) result.wrong += 1;
    }
    return result;
  }
}

export function compaction(root: HTMLElement): void {
  new Theatre(root);
}
