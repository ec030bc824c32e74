/** One segment as a strip of cells on a canvas, which the arrow keys go along. */

import type { Cell, Strip } from './model.js';
import { count, keyText, make, size } from './text.js';

/** Colours as the page has them now. */
export interface Paint {
  live: string;
  superseded: string;
  tombstone: string;
  torn: string;
  text: string;
  surface: string;
}

const FLASH_MS = 900;

/** What a record is, in words. */
export function stateOf(cell: Cell): string {
  return cell.kind === 'torn' ? 'torn' : cell.state;
}

/** A cell in words, for those who do not see it. */
function spoken(cell: Cell | undefined, at: number, all: number): string {
  if (!cell) return 'no records';
  const where = `record ${at + 1} of ${all}`;
  if (cell.kind === 'torn') return `${where}: torn, ${cell.length} bytes`;
  return `${where}: ${keyText(cell.key)}, ${cell.state}`;
}

/** Draws a strip and hears what is pointed at. */
export class StripView {
  readonly root: HTMLElement;
  readonly canvas: HTMLCanvasElement;
  selected = -1;
  readonly #head: HTMLElement;
  readonly #bar: HTMLElement;
  readonly #note: HTMLElement;
  #strip: Strip;
  #paint: Paint;
  #cell = 10;
  #columns = 1;
  #flashUntil = 0;
  #flashFrom = 0;

  constructor(strip: Strip, paint: Paint, select: (index: number, pinned: boolean) => void) {
    this.#strip = strip;
    this.#paint = paint;
    this.#head = make('p', { class: 'head' });
    this.#bar = make('div', { class: 'bytes', 'aria-hidden': 'true' });
    this.#note = make('p', { class: 'note' });
    this.canvas = make('canvas', {
      tabindex: '0',
      role: 'slider',
      'aria-orientation': 'horizontal',
      'aria-valuemin': '1',
    });
    this.root = make('li', {}, this.#head, this.#bar, this.canvas, this.#note);
    this.canvas.addEventListener('pointermove', (e) => {
      const at = this.#hit(e);
      if (at >= 0) select(at, false);
    });
    this.canvas.addEventListener('click', (e) => {
      const at = this.#hit(e);
      if (at >= 0) select(at, true);
    });
    this.canvas.addEventListener('keydown', (e) => {
      const to = this.#step(e.key);
      if (to === undefined) return;
      e.preventDefault();
      select(to, true);
    });
    this.canvas.addEventListener('focus', () => {
      if (this.selected < 0 && this.#strip.cells.length > 0) select(0, false);
    });
  }

  /** Shows another state of the segment. */
  update(strip: Strip, paint: Paint, cell: number, flash: boolean): void {
    const grown = strip.freshFrom < strip.cells.length;
    this.#strip = strip;
    this.#paint = paint;
    this.#cell = cell;
    if (flash && grown) {
      if (performance.now() > this.#flashUntil) this.#flashFrom = strip.freshFrom;
      this.#flashUntil = performance.now() + FLASH_MS;
    }
    this.#describe();
    this.layout();
  }

  #describe(): void {
    const { info, bytes, cells, tooMany, damage } = this.#strip;
    const name = make('strong', {}, `segment ${info.segment}`);
    const dead = info.fileBytes > 0 ? Math.round((info.deadBytes / info.fileBytes) * 100) : 0;
    const figures = [`${count(info.records)} records`, size(info.fileBytes), `${dead}% dead`];
    this.#head.replaceChildren(
      name,
      make('span', { class: 'state' }, info.state),
      figures.join(' \u00b7 '),
    );
    const whole = bytes.live + bytes.dead + bytes.tables + bytes.rest;
    this.#bar.replaceChildren(
      ...Object.entries(bytes).flatMap(([what, n]) => {
        const part = make('i', { class: what });
        part.style.flexGrow = String(n / (whole || 1));
        return n > 0 ? [part] : [];
      }),
    );
    this.#note.textContent = damage
      ? `Not readable further: ${damage}`
      : tooMany
        ? 'Too many records to draw: an older segment.'
        : '';
    this.#note.hidden = !damage && !tooMany;
    this.#note.classList.toggle('bad', damage !== undefined);
    this.canvas.hidden = cells.length === 0;
    this.canvas.setAttribute('aria-label', `Records of segment ${info.segment}, ${info.state}`);
    this.canvas.setAttribute('aria-valuemax', String(Math.max(1, cells.length)));
    this.#say();
  }

  #say(): void {
    const at = Math.max(0, this.selected);
    const { cells } = this.#strip;
    this.canvas.setAttribute('aria-valuenow', String(at + 1));
    this.canvas.setAttribute('aria-valuetext', spoken(cells[at], at, cells.length));
  }

  /** Fits the canvas to its width, and draws. */
  layout(): void {
    const { cells } = this.#strip;
    const width = this.root.clientWidth;
    if (cells.length === 0 || width === 0) return;
    this.#columns = Math.max(1, Math.floor(width / this.#cell));
    const height = Math.ceil(cells.length / this.#columns) * this.#cell + 2;
    const scale = globalThis.devicePixelRatio || 1;
    this.canvas.width = Math.round(width * scale);
    this.canvas.height = Math.round(height * scale);
    this.canvas.style.height = `${height}px`;
    this.draw();
  }

  draw(): void {
    const context = this.canvas.getContext('2d');
    if (!context || this.canvas.width === 0) return;
    const scale = globalThis.devicePixelRatio || 1;
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    const { cells } = this.#strip;
    for (let at = 0; at < cells.length; at += 1) {
      const [x, y] = this.#place(at);
      drawCell(context, x, y, this.#cell - 2, stateOf(cells[at] as Cell), this.#paint);
    }
    this.#drawFlash(context);
    if (this.selected >= 0 && this.selected < cells.length) {
      const [x, y] = this.#place(this.selected);
      context.strokeStyle = this.#paint.text;
      context.lineWidth = 2;
      context.strokeRect(x - 0.5, y - 0.5, this.#cell - 1, this.#cell - 1);
    }
  }

  /** What was just appended stands out for a moment. */
  #drawFlash(context: CanvasRenderingContext2D): void {
    const left = this.#flashUntil - performance.now();
    if (left <= 0) return;
    context.globalAlpha = Math.min(1, left / FLASH_MS);
    context.strokeStyle = this.#paint.text;
    context.lineWidth = 1.5;
    for (let at = this.#flashFrom; at < this.#strip.cells.length; at += 1) {
      const [x, y] = this.#place(at);
      context.strokeRect(x + 0.5, y + 0.5, this.#cell - 3, this.#cell - 3);
    }
    context.globalAlpha = 1;
    requestAnimationFrame(() => this.draw());
  }

  /** Chooses a cell, or none. */
  mark(index: number): void {
    if (this.selected === index) return;
    this.selected = index;
    this.#say();
    this.draw();
  }

  #place(at: number): [x: number, y: number] {
    const row = Math.floor(at / this.#columns);
    return [(at - row * this.#columns) * this.#cell + 1, row * this.#cell + 1];
  }

  #hit(e: MouseEvent): number {
    const box = this.canvas.getBoundingClientRect();
    const column = Math.floor((e.clientX - box.left) / this.#cell);
    const row = Math.floor((e.clientY - box.top) / this.#cell);
    const at = row * this.#columns + column;
    return column < this.#columns && at < this.#strip.cells.length ? at : -1;
  }

  #step(key: string): number | undefined {
    const last = this.#strip.cells.length - 1;
    const at = Math.max(0, this.selected);
    const to = {
      ArrowRight: at + 1,
      ArrowLeft: at - 1,
      ArrowDown: at + this.#columns,
      ArrowUp: at - this.#columns,
      Home: 0,
      End: last,
    }[key];
    return to === undefined ? undefined : Math.min(last, Math.max(0, to));
  }
}

/** Each state has a shape of its own, so that colours are not needed to tell them apart. */
export function drawCell(
  c: CanvasRenderingContext2D,
  x: number,
  y: number,
  s: number,
  state: string,
  paint: Paint,
): void {
  if (state === 'live') {
    c.fillStyle = paint.live;
    c.fillRect(x, y, s, s);
  } else if (state === 'superseded') {
    // A low block: what is left of a record that another one stands above.
    const h = Math.max(2, Math.round(s * 0.4));
    c.fillStyle = paint.superseded;
    c.fillRect(x, y + s - h, s, h);
  } else if (state === 'tombstone') {
    c.strokeStyle = paint.tombstone;
    c.lineWidth = 1.5;
    c.strokeRect(x + 0.75, y + 0.75, s - 1.5, s - 1.5);
  } else {
    c.strokeStyle = paint.torn;
    c.lineWidth = 1.25;
    c.beginPath();
    for (let d = 0; d <= s * 2; d += 3) {
      c.moveTo(x + Math.max(0, d - s), y + Math.min(d, s));
      c.lineTo(x + Math.min(d, s), y + Math.max(0, d - s));
    }
    c.stroke();
  }
}
