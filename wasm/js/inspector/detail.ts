/** One record in full: where it stands, what it says, and its bytes. */

import type { Cell, Source, Strip } from './model.js';
import { count, hex, keyText, make, time } from './text.js';

const BYTES_MAX = 512;
const ROW = 8;

/** A value longer than this has a checksum of its own behind it; see FORMAT.md, section 6. */
const SHORT_VALUE = 4096;

type Region = 'frame' | 'key' | 'value';

/** What a byte of a record belongs to. */
function regionsOf(cell: Cell): (at: number) => Region {
  if (cell.kind === 'torn') return () => 'frame';
  const behind = cell.valueLength > SHORT_VALUE ? 4 : 0;
  const head = cell.length - cell.key.length - cell.valueLength - behind;
  const value = head + cell.key.length;
  return (at) => {
    if (at < head || at >= value + cell.valueLength) return 'frame';
    return at < value ? 'key' : 'value';
  };
}

/** Rows of eight bytes, in hexadecimal and as text. */
export function hexView(
  bytes: Uint8Array,
  offset: number,
  regionOf: (at: number) => Region,
): HTMLElement {
  const rows = make('div', {
    class: 'hex',
    tabindex: '0',
    role: 'group',
    'aria-label': 'Its bytes',
  });
  for (let from = 0; from < bytes.length; from += ROW) {
    const row = make('div', {}, make('span', { class: 'offset' }, String(offset + from)));
    const digits = make('span', { class: 'digits' });
    const text = make('span', { class: 'text' });
    for (let at = from; at < Math.min(from + ROW, bytes.length); at += 1) {
      const byte = bytes[at] as number;
      const printable = byte > 0x20 && byte < 0x7f;
      digits.append(make('span', { class: regionOf(at) }, hex(byte)));
      text.append(
        make('span', { class: regionOf(at) }, printable ? String.fromCharCode(byte) : '\u00b7'),
      );
    }
    row.append(digits, text);
    rows.append(row);
  }
  return rows;
}

/** Shows the record that is chosen. */
export class Detail {
  readonly root = make('div', {
    class: 'detail',
    role: 'group',
    'aria-label': 'The chosen record',
  });
  #asked = 0;

  /** Before anything is chosen. */
  clear(): void {
    this.#asked += 1;
    this.root.replaceChildren(
      make(
        'p',
        { class: 'note' },
        'Point at a cell to see its record; click to keep it. With the keyboard: Tab to a ' +
          'strip, then the arrow keys.',
      ),
    );
  }

  /** Shows a record, its bytes as soon as they are read. */
  async show(source: Source, strip: Strip, cell: Cell): Promise<void> {
    this.#asked += 1;
    const mine = this.#asked;
    const bytes = make('div', {});
    const list = facts(strip, cell);
    this.root.replaceChildren(list, bytes);
    try {
      const length = Math.min(cell.length, BYTES_MAX);
      const found = await source.bytes(strip.info.segment, cell.offset, length);
      if (mine !== this.#asked) return;
      if (cell.kind === 'record') addFact(list, 'CRC', crcOf(found));
      bytes.replaceChildren(hexView(found, cell.offset, regionsOf(cell)));
      if (cell.length > BYTES_MAX) {
        bytes.append(
          make('p', { class: 'note' }, `and ${count(cell.length - BYTES_MAX)} bytes more`),
        );
      }
    } catch (e) {
      if (mine === this.#asked) bytes.textContent = String((e as Error).message);
    }
  }
}

/** A frame begins with its checksum; FORMAT.md, section 6. */
function crcOf(frame: Uint8Array): string {
  return Array.from(frame.subarray(0, 4), hex).reverse().join('');
}

function addFact(list: HTMLElement, name: string, value: string): void {
  list.append(make('dt', {}, name), make('dd', {}, value));
}

function facts(strip: Strip, cell: Cell): HTMLElement {
  const list: [string, string][] = [];
  if (cell.kind === 'record') {
    list.push(['key', keyText(cell.key)], ['state', cell.state]);
    list.push(['seq', count(cell.seq)], ['time', time(cell.seq)]);
    if (cell.expires) list.push(['expires', time(cell.expires.getTime() * 1000)]);
    list.push(['value', cell.tombstone ? 'none: a tombstone' : `${count(cell.valueLength)} bytes`]);
    list.push(['batch', cell.more ? 'goes on in the next record' : 'ends here']);
  } else {
    list.push(['state', 'torn: left of an append that was never acknowledged']);
  }
  list.push([
    'place',
    `segment ${strip.info.segment}, byte ${count(cell.offset)}, ${count(cell.length)} bytes`,
  ]);
  return make(
    'dl',
    {},
    ...list.flatMap(([name, value]) => [
      make('dt', {}, name),
      make('dd', name === 'state' ? { class: value.split(':')[0] as string } : {}, value),
    ]),
  );
}
