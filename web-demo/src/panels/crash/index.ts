/** Breaking a store on purpose, and what it says when it is opened again. */

import type { Recovery } from 'siltdb';
import type { SiltInspector } from 'siltdb/inspector';
import type { App } from '../../app.js';
import { button, el, fill, messageOf } from '../../dom.js';
import { bytes, count, counted, length } from '../../format.js';
import { cutFile, dump, flipBit, readBytes, segmentFiles } from './files.js';
import { type Fate, Lab } from './lab.js';

const FATES: Record<Fate, string> = {
  whole: 'whole',
  'never promised': 'absent, and was never acknowledged',
  lost: 'acknowledged, gone with the bytes that were cut off',
  'named damage': 'damage, named when it is read',
  'partly there': 'partly there: this must not be',
  wrong: 'other bytes than were written: this must not be',
};

class CrashLab {
  readonly #lab = new Lab();
  readonly #steps = el('ol', { class: 'steps', id: 'crash-steps', 'aria-live': 'polite' });
  readonly #report = el('div', { class: 'stack', id: 'crash-report' });
  readonly #map = document.createElement('silt-inspector') as SiltInspector;
  readonly #experiments: HTMLElement;
  #undo: (() => Promise<void>) | undefined;

  constructor(root: HTMLElement) {
    this.#experiments = el(
      'div',
      { class: 'row' },
      button('Kill the worker in mid-batch', () => this.#try(() => this.#kill()), {
        id: 'crash-kill',
      }),
      button('Cut the end of the log', () => this.#try(() => this.#cut()), { id: 'crash-cut' }),
      button('Flip a bit in a sealed file', () => this.#try(() => this.#flipSealed()), {
        id: 'crash-flip',
      }),
      button('Flip a bit in the log', () => this.#try(() => this.#flipLog()), { id: 'crash-rot' }),
    );
    addEventListener('siltdb-theme', () => this.#map.repaint());
    this.#map.hidden = true;
    root.append(
      this.#experiments,
      el('div', { class: 'columns' }, this.#steps, this.#report),
      this.#map,
    );
  }

  async #try(experiment: () => Promise<void>): Promise<void> {
    fill(this.#steps);
    fill(this.#report);
    this.#map.hidden = true;
    this.#undo = undefined;
    await this.#alone(experiment);
  }

  /** They all break the same store: none begins while another goes on. */
  async #alone(run: () => Promise<void>): Promise<void> {
    this.#experiments.inert = true;
    try {
      await run();
    } catch (e) {
      this.#step(messageOf(e), 'bad');
    } finally {
      this.#experiments.inert = false;
    }
  }

  #step(text: string, kind = ''): void {
    this.#steps.append(el('li', { class: kind }, text));
  }

  /** A store with some batches in it, all acknowledged. */
  async #prepare(batches: number): Promise<void> {
    await this.#lab.fresh();
    for (let i = 0; i < batches; i += 1) await this.#lab.send();
    this.#step(`A new store. ${count(batches)} batches of 8 records written and acknowledged.`);
  }

  async #kill(): Promise<void> {
    await this.#prepare(20);
    const { sent } = this.#lab;
    // Without waiting, so that some are under way when the end comes.
    const going = Array.from({ length: 60 }, async (_, i) => {
      await new Promise((resolve) => setTimeout(resolve, i / 4));
      await this.#lab.send();
    });
    const enough = new Promise<void>((resolve) => {
      const look = () =>
        sent.filter((b) => b.acknowledged).length > 40 ? resolve() : setTimeout(look, 0);
      look();
    });
    await Promise.race([enough, Promise.all(going)]);
    await this.#lab.kill();
    await Promise.allSettled(going);
    const open = sent.filter((b) => !b.acknowledged).length;
    this.#step(
      `The worker was ended with ${count(open)} batches under way: they were never acknowledged.`,
    );
    await this.#reopen();
  }

  async #cut(): Promise<void> {
    await this.#prepare(20);
    await this.#lab.db?.flush();
    this.#step('All of that made safe from power loss.');
    for (let i = 0; i < 10; i += 1) await this.#lab.send();
    await this.#lab.kill();
    this.#step('10 batches more, flushed but not synced; then the worker was ended.');
    const last = (await segmentFiles(this.#lab.name)).at(-1);
    if (!last) throw new Error('there is no segment');
    const cut = Math.min(1500 + Math.floor(Math.random() * 1500), last.size - 200);
    await cutFile(this.#lab.name, last.name, last.size - cut);
    this.#step(
      `${bytes(cut)} cut off ${last.name}, as a power loss may do to what is not synced. ` +
        'It ends now with:',
    );
    await this.#show(last.name, last.size - cut - 48, last.size - cut);
    await this.#reopen();
  }

  /** In the first value after the middle of the file: what is between records is nobody's. */
  async #flipAt(name: string, size: number): Promise<number> {
    const middle = Math.floor(size / 2);
    const text = String.fromCharCode(...(await readBytes(this.#lab.name, name, middle, size)));
    const offset = middle + text.search(/(\d{4}\.\d ){4}/) + 10;
    await flipBit(this.#lab.name, name, offset);
    this.#step(`One bit of byte ${count(offset)} of ${name} turned over:`);
    const from = Math.max(0, offset - 24);
    await this.#show(name, from, from + 48);
    return offset;
  }

  async #flipSealed(): Promise<void> {
    await this.#prepare(60);
    await this.#lab.leave();
    this.#step('Closed in peace: its files are sealed.');
    const [first] = await segmentFiles(this.#lab.name);
    if (!first) throw new Error('there is no segment');
    await this.#flipAt(first.name, first.size);
    await this.#reopen();
  }

  async #flipLog(): Promise<void> {
    await this.#prepare(6);
    await this.#lab.db?.flush();
    for (let i = 0; i < 4; i += 1) await this.#lab.send();
    await this.#lab.kill();
    this.#step('6 batches made safe from power loss, 4 more written, then the worker was ended.');
    const last = (await segmentFiles(this.#lab.name)).at(-1);
    if (!last) throw new Error('there is no segment');
    const offset = await this.#flipAt(last.name, last.size * 0.6);
    this.#undo = () => flipBit(this.#lab.name, last.name, offset);
    await this.#reopen();
  }

  async #show(name: string, from: number, to: number): Promise<void> {
    const found = await readBytes(this.#lab.name, name, from, to);
    this.#steps.lastElementChild?.append(
      el(
        'pre',
        { tabindex: '0', role: 'group', 'aria-label': 'Bytes of the file' },
        dump(found, from),
      ),
    );
  }

  async #reopen(): Promise<void> {
    const began = performance.now();
    try {
      await this.#lab.open();
    } catch (e) {
      this.#step(`Opened again: refused. ${messageOf(e)}`, 'refused');
      fill(
        this.#report,
        el('h3', {}, 'Refused, and nothing cut away'),
        el(
          'p',
          { class: 'note' },
          'These bytes were once safe, so this is damage and not an unfinished write: ' +
            'the store names the file and the place instead of dropping what comes after.',
        ),
        button(
          'Flip it back and open',
          () =>
            this.#alone(async () => {
              await this.#undo?.();
              this.#step('The bit turned back.');
              await this.#reopen();
            }),
          { id: 'crash-undo' },
        ),
      );
      return;
    }
    this.#step(`Opened again in ${length(performance.now() - began)}.`);
    await this.#tell();
  }

  async #tell(): Promise<void> {
    const { db } = this.#lab;
    if (!db) return;
    const { recovery } = await db.stats();
    const { fates, damage } = await this.#lab.judge();
    const whole = fates.filter((fate) => fate === 'whole').length;
    const prefix = fates.slice(0, whole).every((fate) => fate === 'whole');
    const never = (['partly there', 'wrong'] as Fate[]).filter((fate) => fates.includes(fate));
    const unpromised = fates.filter(
      (fate, i) => fate === 'whole' && !this.#lab.sent[i]?.acknowledged,
    ).length;
    const kinds = (Object.keys(FATES) as Fate[]).filter((fate) => fates.includes(fate));
    fill(
      this.#report,
      el('h3', {}, 'Batch by batch'),
      el(
        'ol',
        { class: 'fates', 'aria-label': 'Batches in the order they were sent' },
        ...fates.map((fate, i) =>
          el(
            'li',
            { 'data-fate': fate, title: `batch ${i}: ${FATES[fate]}` },
            el('span', { class: 'unseen' }, fate),
          ),
        ),
      ),
      el(
        'ul',
        { class: 'fate-counts' },
        ...kinds.map((fate) =>
          el(
            'li',
            { 'data-fate': fate },
            `${count(fates.filter((f) => f === fate).length)} ${FATES[fate]}${
              fate === 'whole' && unpromised > 0
                ? `, ${count(unpromised)} of them though nobody had been told so yet`
                : ''
            }`,
          ),
        ),
      ),
      el(
        'p',
        { class: never.length > 0 ? 'bad' : 'good', id: 'crash-verdict' },
        never.length > 0
          ? 'A promise was broken.'
          : damage.length > 0
            ? `No wrong answer: ${counted(damage.length, 'read')} failed by name, ` +
              'all others are right.'
            : prefix
              ? 'No batch is there in part, and there is no hole: what is kept ends at one moment.'
              : 'No batch is there in part.',
      ),
      damage.length > 0 && el('pre', { class: 'block' }, [...new Set(damage)].join('\n')),
      el('h3', {}, 'What opening it found'),
      recoveryTable(recovery),
    );
    this.#map.hidden = false;
    this.#map.store = db;
  }
}

function recoveryTable(r: Recovery): HTMLElement {
  const rows: [string, string][] = [
    ['closed before', r.clean ? 'yes' : 'no: it was stopped'],
    ['sealed segments, not read', count(r.segments)],
    ['bytes of the log read', bytes(r.logBytes)],
    ['records found there', count(r.records)],
    ['torn bytes dropped', bytes(r.droppedBytes)],
    ['whole records among them', count(r.droppedRecords)],
    ['the rest copied into sealed files', r.rewritten ? 'yes' : 'no need'],
    ['left-over files removed', count(r.removedFiles)],
  ];
  return el(
    'table',
    { id: 'crash-recovery' },
    el(
      'tbody',
      {},
      ...rows.map(([name, value]) =>
        el('tr', {}, el('th', { scope: 'row' }, name), el('td', { class: 'n' }, value)),
      ),
    ),
  );
}

export function crash(root: HTMLElement, app: App): void {
  if (app.db.info.backend !== 'opfs') {
    root.append(
      el(
        'p',
        { class: 'note' },
        `The lab breaks files of the origin private file system; ` +
          `here stores are kept in ${app.db.info.backend}.`,
      ),
    );
    return;
  }
  new CrashLab(root);
}
