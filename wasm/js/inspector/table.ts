/** The records of a segment as a table: the same as the strips, in words. */

import type { Strip } from './model.js';
import { stateOf } from './strip.js';
import { count, keyText, make } from './text.js';

const ROWS = 50;

/** A table that is filled while it is open. */
export class RecordTable {
  readonly root: HTMLDetailsElement;
  readonly #select = make('select', { 'aria-label': 'Segment' });
  readonly #body = make('tbody');
  readonly #where = make('span', { class: 'note', 'aria-live': 'polite' });
  #strips: Strip[] = [];
  #from = 0;
  /** What the reader chose; the newest segment until then. */
  #chosen = '';

  constructor() {
    const heads = ['byte', 'length', 'state', 'key', 'seq', 'value bytes'];
    const table = make(
      'table',
      {},
      make('caption', {}, 'Records in the order of the file'),
      make('thead', {}, make('tr', {}, ...heads.map((name) => make('th', { scope: 'col' }, name)))),
      this.#body,
    );
    const turn = (by: number, label: string) => {
      const button = make('button', { type: 'button' }, label);
      button.addEventListener('click', () => this.#turn(by));
      return button;
    };
    this.#select.addEventListener('change', () => {
      this.#chosen = this.#select.value;
      this.#from = 0;
      this.#fill();
    });
    const scroller = make(
      'div',
      { class: 'scroll', tabindex: '0', role: 'group', 'aria-label': 'Table of records' },
      table,
    );
    this.root = make(
      'details',
      {},
      make('summary', {}, 'The same as a table'),
      make(
        'div',
        { class: 'tools' },
        this.#select,
        turn(-ROWS, 'Earlier'),
        turn(ROWS, 'Later'),
        this.#where,
      ),
      scroller,
    );
    this.root.addEventListener('toggle', () => this.#fill());
  }

  /** Other strips to show. */
  update(strips: Strip[]): void {
    this.#strips = strips;
    this.#select.replaceChildren(
      ...strips.map(({ info }) =>
        make('option', { value: String(info.segment) }, `segment ${info.segment}, ${info.state}`),
      ),
    );
    this.#select.value = this.#chosen;
    if (this.#select.selectedIndex < 0) this.#select.selectedIndex = strips.length - 1;
    this.#fill();
  }

  #turn(by: number): void {
    this.#from += by;
    this.#fill();
  }

  #fill(): void {
    if (!this.root.open) return;
    const strip = this.#strips.find(({ info }) => String(info.segment) === this.#select.value);
    const cells = strip?.cells ?? [];
    this.#from = Math.max(0, Math.min(this.#from, cells.length - 1));
    const shown = cells.slice(this.#from, this.#from + ROWS);
    const [first, last] = [this.#from + 1, this.#from + shown.length].map(count);
    this.#where.textContent =
      cells.length === 0 ? 'no records drawn' : `${first} to ${last} of ${count(cells.length)}`;
    this.#body.replaceChildren(
      ...shown.map((cell) => {
        const record = cell.kind === 'record' ? cell : undefined;
        const columns = [
          count(cell.offset),
          count(cell.length),
          stateOf(cell),
          record ? keyText(record.key) : '',
          record ? count(record.seq) : '',
          record ? count(record.valueLength) : '',
        ];
        return make('tr', {}, ...columns.map((text) => make('td', {}, text)));
      }),
    );
  }
}
