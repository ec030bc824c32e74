/** The feed of changes, which goes on where it was after a reload. */

import type { App } from '../app.js';
import { button, el, fill, messageOf } from '../dom.js';
import { clock, count, cut } from '../format.js';

const CURSOR = 'siltdb-demo cursor';
const ROWS_MAX = 200;
/** Changes shown at a time: a feed that runs faster is told in figures. */
const FRAME_ROWS = 60;

interface Row {
  seq: number;
  key: string;
  type: string;
  value: string | undefined;
}

class Feed {
  readonly #app: App;
  readonly #list = el('ol', {
    class: 'feed',
    id: 'watch-feed',
    tabindex: '0',
    'aria-label': 'Changes, newest first',
  });
  readonly #note = el('p', { class: 'note', id: 'watch-note' });
  readonly #resumed = el('p', { id: 'watch-resumed' });
  #stop: AbortController | undefined;
  #queue: Row[] = [];
  #seen = 0;
  #missed = 0;

  constructor(root: HTMLElement, app: App) {
    this.#app = app;
    const pause = button(
      'Pause',
      () => {
        if (this.#stop) this.#end();
        else void this.#follow();
        pause.textContent = this.#stop ? 'Pause' : 'Go on';
      },
      { id: 'watch-pause' },
    );
    const forget = button('Forget the place', () => {
      sessionStorage.removeItem(CURSOR);
      this.#resumed.textContent =
        'The place is forgotten: after a reload the feed begins with what is new then.';
    });
    const all = button('From the beginning', () => {
      sessionStorage.setItem(CURSOR, '0');
      this.#end();
      fill(this.#list);
      void this.#follow();
      pause.textContent = 'Pause';
    });
    root.append(
      el(
        'div',
        { class: 'row' },
        button('Write something', () => this.#write(), { id: 'watch-write' }),
        pause,
        all,
        forget,
      ),
      this.#resumed,
      this.#note,
      this.#list,
    );
    void this.#follow();
  }

  async #write(): Promise<void> {
    await this.#app.db.set('note/watched', `written at ${new Date().toISOString()}`);
  }

  #end(): void {
    this.#stop?.abort();
    this.#stop = undefined;
  }

  async #follow(): Promise<void> {
    const stop = new AbortController();
    this.#stop = stop;
    const kept = sessionStorage.getItem(CURSOR);
    const began = Date.now() * 1000;
    let since = kept === null ? undefined : Number(kept);
    const { horizon } = await this.#app.stats();
    if (since !== undefined && since < horizon) since = horizon;
    this.#missed = 0;
    this.#resumed.textContent =
      since === undefined
        ? 'The feed begins with what is written from now on.'
        : `It goes on after seq ${count(since)}.`;
    try {
      for await (const change of this.#app.db.watch({ since, signal: stop.signal })) {
        this.#seen += 1;
        if (since !== undefined && change.seq < began) this.#missed += 1;
        this.#queue.push({
          seq: change.seq,
          key: change.key,
          type: change.type,
          value: change.value,
        });
        if (this.#queue.length === 1) requestAnimationFrame(() => this.#show());
        // Only a whole commit moves the cursor.
        if (change.last) sessionStorage.setItem(CURSOR, String(change.seq));
      }
    } catch (e) {
      if (!stop.signal.aborted) this.#note.textContent = messageOf(e);
    }
  }

  #show(): void {
    const rows = this.#queue;
    this.#queue = [];
    const shown = rows.slice(-FRAME_ROWS);
    this.#list.prepend(
      ...shown
        .reverse()
        .map(({ seq, key, type, value }) =>
          el(
            'li',
            {},
            el('time', {}, clock(seq)),
            el('b', { class: type === 'set' ? 'good' : 'bad' }, type),
            el('code', {}, key),
            el('span', { class: 'note' }, cut(value ?? '', 90)),
          ),
        ),
    );
    while (this.#list.childElementCount > ROWS_MAX) this.#list.lastElementChild?.remove();
    const missed =
      this.#missed > 0 ? `, ${count(this.#missed)} of them had happened while nobody watched` : '';
    const seen = `${count(this.#seen)} changes seen since this page was opened`;
    this.#note.textContent = `${seen}${missed}.`;
  }
}

export function watch(root: HTMLElement, app: App): void {
  new Feed(root, app);
}
