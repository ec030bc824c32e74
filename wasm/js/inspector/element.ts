/** `<silt-inspector>`: the files of an open store, record by record. */

import { Detail } from './detail.js';
import { type Cell, Model, type Source, type Strip } from './model.js';
import { drawCell, type Paint, StripView } from './strip.js';
import { STYLE } from './style.js';
import { RecordTable } from './table.js';
import { make } from './text.js';

/** Records drawn at most. */
const CELLS_MAX = 20_000;
/** Looks at a store at work are so far apart. */
const REFRESH_MS = 120;

const LEGEND = [
  ['live', 'live: the newest of its key'],
  ['superseded', 'superseded: kept for the past'],
  ['tombstone', 'tombstone: a delete'],
  ['torn', 'torn: left of a crash'],
] as const;

const names = ['live', 'superseded', 'tombstone', 'torn', 'text', 'surface'] as const;

// Where there are no elements, the module can still be imported.
const Base = (globalThis.HTMLElement ?? class {}) as typeof HTMLElement;

/**
 * Shows what the files of a store hold: give it one as its property `store`. It follows the store
 * by itself. Attribute `max`: records drawn at most; older segments are told in figures.
 */
export class SiltInspector extends Base {
  readonly #root: ShadowRoot;
  readonly #strips = make('ol', { class: 'strips', 'aria-label': 'Segments, newest first' });
  readonly #detail = new Detail();
  readonly #table = new RecordTable();
  readonly #legend = make('ul', { class: 'legend' });
  readonly #empty = make(
    'p',
    { class: 'note empty', hidden: '' },
    'No records yet: the log is empty.',
  );
  readonly #probe = make('span', { hidden: '' });
  readonly #layout = make('div', { class: 'layout', hidden: '' }, this.#strips, this.#detail.root);
  readonly #views = new Map<number, StripView>();
  readonly #resized: ResizeObserver;
  #store: Source | undefined;
  #model: Model | undefined;
  #stop: (() => void) | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #going: Promise<void> | undefined;
  #first = true;
  #width = 0;
  #chosen: { segment: number; offset: number; pinned: boolean } | undefined;

  constructor() {
    super();
    this.#root = this.attachShadow({ mode: 'open' });
    this.#root.append(
      make('style', {}, STYLE),
      this.#legend,
      this.#probe,
      this.#empty,
      this.#layout,
      this.#table.root,
    );
    this.#detail.clear();
    this.#table.root.hidden = true;
    this.#resized = new ResizeObserver(() => {
      // Drawing changes the height, which is no reason to draw again.
      if (this.#strips.clientWidth === this.#width) return;
      this.#width = this.#strips.clientWidth;
      requestAnimationFrame(() => this.#draw());
    });
  }

  /** The open store that is shown. */
  get store(): Source | undefined {
    return this.#store;
  }

  set store(store: Source | undefined) {
    this.#stop?.();
    this.#store = store;
    this.#model = undefined;
    this.#chosen = undefined;
    this.#first = true;
    this.#views.clear();
    this.#strips.replaceChildren();
    this.#detail.clear();
    this.#empty.hidden = this.#layout.hidden = this.#table.root.hidden = true;
    if (store && this.isConnected) this.#follow(store);
  }

  /** @internal */
  connectedCallback(): void {
    this.#resized.observe(this.#strips);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', this.#recolour);
    if (this.#store) this.#follow(this.#store);
  }

  /** @internal */
  disconnectedCallback(): void {
    this.#stop?.();
    this.#resized.disconnect();
    matchMedia('(prefers-color-scheme: dark)').removeEventListener('change', this.#recolour);
  }

  readonly #recolour = () => this.repaint();

  #follow(store: Source): void {
    this.#stop?.();
    const max = Number(this.getAttribute('max') ?? CELLS_MAX);
    this.#model = new Model(store, max);
    const stop = store.onEvent(({ type }) => {
      if (type === 'change' || type === 'role') this.#soon();
    });
    this.#stop = () => {
      stop();
      clearTimeout(this.#timer);
      this.#timer = this.#stop = undefined;
    };
    void this.refresh();
  }

  #soon(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      void this.refresh();
    }, REFRESH_MS);
  }

  /** Looks at the store now: needed only after what no event tells of, such as a compaction. */
  refresh(): Promise<void> {
    const model = this.#model;
    if (!model) return Promise.resolve();
    this.#going = (this.#going ?? Promise.resolve()).then(async () => {
      if (model !== this.#model) return;
      try {
        await model.refresh();
      } catch {
        // The store is closed, or cannot be read: what was seen last stays.
        return;
      }
      if (model === this.#model) this.#show();
    });
    return this.#going;
  }

  /** Draws again, in the colours that the page has now. */
  repaint(): void {
    this.#drawLegend();
    this.#show();
  }

  #paint(): Paint {
    // A canvas knows no custom properties: an element tells what they come to.
    const paint = {} as Paint;
    this.#probe.hidden = false;
    for (const name of names) {
      this.#probe.style.color = `var(--${name})`;
      paint[name] = getComputedStyle(this.#probe).color;
    }
    this.#probe.hidden = true;
    return paint;
  }

  #drawLegend(): void {
    const paint = this.#paint();
    this.#legend.replaceChildren(
      ...LEGEND.map(([state, text]) => {
        const sample = make('canvas', { width: '24', height: '24', 'aria-hidden': 'true' });
        const context = sample.getContext('2d');
        context?.scale(2, 2);
        if (context) drawCell(context, 1, 1, 10, state, paint);
        return make('li', {}, sample, text);
      }),
      make(
        'li',
        {},
        'The bar of a strip: its bytes, live, superseded, of its tables, and the rest.',
      ),
    );
  }

  #show(): void {
    const strips = this.#model?.strips ?? [];
    if (this.#legend.childElementCount === 0) this.#drawLegend();
    const paint = this.#paint();
    const empty = strips.every(({ info }) => info.records === 0);
    this.#empty.hidden = !empty;
    this.#layout.hidden = this.#table.root.hidden = empty;
    const cells = strips.reduce((sum, strip) => sum + strip.cells.length, 0);
    const cell = cells > 8000 ? 6 : cells > 1500 ? 8 : 12;
    const flash = !this.#first && !matchMedia('(prefers-reduced-motion: reduce)').matches;
    this.#first = false;
    for (const [segment, view] of this.#views) {
      if (strips.some(({ info }) => info.segment === segment)) continue;
      view.root.remove();
      this.#views.delete(segment);
    }
    // The newest stands first: that is where things happen.
    [...strips].reverse().forEach((strip, at) => {
      const { segment } = strip.info;
      let view = this.#views.get(segment);
      if (!view) {
        view = new StripView(strip, paint, (index, pinned) => this.#select(segment, index, pinned));
        this.#views.set(segment, view);
      }
      if (this.#strips.children[at] !== view.root) {
        this.#strips.insertBefore(view.root, this.#strips.children[at] ?? null);
      }
      view.update(strip, paint, cell, flash);
      strip.freshFrom = strip.cells.length;
    });
    this.#table.update(strips);
    this.#keepChosen(strips);
    this.dispatchEvent(
      new CustomEvent('siltrefresh', { detail: { segments: strips.length, cells } }),
    );
  }

  #draw(): void {
    for (const view of this.#views.values()) view.layout();
  }

  /** The record that was chosen may stand elsewhere among the cells by now, or be gone. */
  #keepChosen(strips: Strip[]): void {
    const chosen = this.#chosen;
    if (!chosen) return;
    const strip = strips.find(({ info }) => info.segment === chosen.segment);
    const index = strip?.cells.findIndex((cell) => cell.offset === chosen.offset) ?? -1;
    if (index >= 0) this.#select(chosen.segment, index, chosen.pinned);
  }

  #select(segment: number, index: number, pinned: boolean): void {
    const strip = this.#model?.strips.find(({ info }) => info.segment === segment);
    const cell = strip?.cells[index] as Cell | undefined;
    if (!strip || !cell || !this.#store) return;
    // What was clicked stays until it or something else is clicked; pointing at others only looks.
    const chosen = this.#chosen;
    if (chosen?.pinned && !pinned) return;
    this.#chosen = { segment, offset: cell.offset, pinned };
    for (const [number, view] of this.#views) view.mark(number === segment ? index : -1);
    void this.#detail.show(this.#store, strip, cell);
  }
}
