/** What each tab has written in the last seconds, told by the store's own feed of changes. */

import type { Store } from '../app.js';
import { el, report, still } from '../dom.js';

const SPAN_MS = 10_000;
const HEIGHT = 24;
const DRAW_MS = 100;

/** One canvas for each tab, all on the same clock: when nobody writes, all have a gap. */
export class Lanes {
  readonly #prefix: string;
  readonly #ticks = new Map<string, number[]>();
  readonly #canvases = new Map<string, HTMLCanvasElement>();
  readonly #marks: number[] = [];
  #drawn = 0;

  /** Follows the keys that begin with `prefix`; the rest of a key names a tab. */
  constructor(store: Store, prefix: string, root: HTMLElement) {
    this.#prefix = prefix;
    let seen = false;
    new IntersectionObserver((entries) => {
      seen = entries.at(-1)?.isIntersecting ?? false;
    }).observe(root);
    setInterval(() => {
      const due = performance.now() - this.#drawn >= (still() ? 1000 : DRAW_MS);
      if (seen && !document.hidden && due) this.#draw();
    }, DRAW_MS);
    addEventListener('siltdb-theme', () => this.#draw());
    this.#follow(store).catch(report);
  }

  /** The canvas of a tab, the same one every time. */
  of(id: string): HTMLCanvasElement {
    let canvas = this.#canvases.get(id);
    if (!canvas) {
      const label = `Writes of tab ${id} in the last ten seconds`;
      canvas = el('canvas', { class: 'lane', role: 'img', 'aria-label': label });
      this.#canvases.set(id, canvas);
    }
    return canvas;
  }

  /** Marks this moment on all lanes. */
  mark(): void {
    this.#marks.push(Date.now());
  }

  async #follow(store: Store): Promise<void> {
    for await (const { key, seq } of store.watch({ prefix: this.#prefix })) {
      const id = key.slice(this.#prefix.length);
      const ticks = this.#ticks.get(id) ?? [];
      this.#ticks.set(id, ticks);
      ticks.push(seq / 1000);
    }
  }

  #draw(): void {
    this.#drawn = performance.now();
    const since = Date.now() - SPAN_MS;
    for (const times of [this.#marks, ...this.#ticks.values()]) {
      while ((times[0] ?? Infinity) < since) times.shift();
    }
    for (const [id, canvas] of this.#canvases) {
      if (canvas.isConnected) this.#drawLane(canvas, this.#ticks.get(id) ?? [], since);
    }
  }

  #drawLane(canvas: HTMLCanvasElement, ticks: readonly number[], since: number): void {
    const width = canvas.clientWidth;
    const context = canvas.getContext('2d');
    if (!context || width === 0) return;
    const scale = devicePixelRatio || 1;
    canvas.width = width * scale;
    canvas.height = HEIGHT * scale;
    context.scale(scale, scale);
    const { color, borderTopColor, borderBottomColor } = getComputedStyle(canvas);
    const x = (at: number) => Math.round(((at - since) / SPAN_MS) * width);
    context.fillStyle = borderTopColor;
    context.fillRect(0, HEIGHT - 1, width, 1);
    context.fillStyle = color;
    for (const at of ticks) context.fillRect(x(at), 6, 1, HEIGHT - 7);
    // Over all of the height, so that it is told from a tick by its shape.
    context.fillStyle = borderBottomColor;
    for (const at of this.#marks) context.fillRect(x(at) - 1, 0, 3, HEIGHT);
  }
}
