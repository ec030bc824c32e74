/** How the page itself fares: every frame that comes late is seen. */

import { el, fill } from '../../dom.js';
import { length, percent } from '../../format.js';

/** A frame is late when the one before it is longer ago: what a person begins to notice. */
const LATE_MS = 50;
const HEIGHT = 64;
/** The height of the chart, in milliseconds; what is longer is cut. */
const TOP_MS = 200;

/** What was going on at a time, and how the frames came. */
interface Stretch {
  name: string;
  from: number;
  to: number;
  frames: number;
  longest: number;
  /** Time by which frames were late. */
  late: number;
}

interface Frame {
  at: number;
  gap: number;
}

/** A chart of the time between frames, over the time that it watches. */
export class JankMeter {
  readonly root: HTMLElement;
  readonly #canvas = el('canvas', {
    class: 'jank',
    role: 'img',
    'aria-label': 'Time between frames',
  });
  readonly #told = el('div', {
    id: 'bench-jank',
    class: 'scroll',
    tabindex: '0',
    role: 'group',
    'aria-label': 'Frames',
  });
  #current: Stretch | undefined;
  #frames: Frame[] = [];
  #stretches: Stretch[] = [];
  #running = false;
  #last = 0;
  #sinceDrawn = 0;

  constructor() {
    this.root = el(
      'div',
      { class: 'stack', hidden: true },
      el(
        'div',
        {},
        el(
          'p',
          { class: 'note' },
          `Time from frame to frame, up to ${TOP_MS} ms. ` +
            `The line is at ${LATE_MS} ms: what is above it is felt.`,
        ),
        this.#canvas,
      ),
      this.#told,
    );
    new ResizeObserver(() => this.#draw()).observe(this.#canvas);
    addEventListener('siltdb-theme', () => this.#draw());
  }

  /** Begins anew. */
  start(): void {
    this.root.hidden = false;
    this.#frames = [];
    this.#stretches = [];
    this.#running = true;
    this.#last = performance.now();
    requestAnimationFrame(this.#frame);
  }

  /** From here on this goes on. */
  during(name: string): void {
    const now = performance.now();
    this.#last = now;
    this.#current = { name, from: now, to: now, frames: 0, longest: 0, late: 0 };
    this.#stretches.push(this.#current);
  }

  /** The page draws what it found: its own frames are not the fault of any storage. */
  rest(): void {
    this.#add(performance.now());
    this.#current = undefined;
  }

  stop(): void {
    this.#running = false;
    this.rest();
    this.#draw();
    this.#tell();
  }

  /** How it went, for those who keep the figures. */
  get stretches(): readonly Stretch[] {
    return this.#stretches;
  }

  readonly #frame = () => {
    if (!this.#running) return;
    this.#add(performance.now());
    // Drawing is not to be what makes the page late.
    this.#sinceDrawn += 1;
    if (this.#sinceDrawn >= 6) {
      this.#sinceDrawn = 0;
      this.#draw();
    }
    requestAnimationFrame(this.#frame);
  };

  #add(now: number): void {
    const stretch = this.#current;
    if (!stretch) return;
    const gap = now - this.#last;
    this.#last = now;
    this.#frames.push({ at: now, gap });
    stretch.to = now;
    stretch.frames += 1;
    stretch.longest = Math.max(stretch.longest, gap);
    stretch.late += Math.max(0, gap - LATE_MS);
  }

  #draw(): void {
    const { clientWidth: width } = this.#canvas;
    const context = this.#canvas.getContext('2d');
    const first = this.#frames[0];
    if (!context || !first || width === 0) return;
    const scale = devicePixelRatio || 1;
    this.#canvas.width = width * scale;
    this.#canvas.height = HEIGHT * scale;
    context.scale(scale, scale);
    // A canvas knows no custom properties: its own colours stand for them.
    const { color, borderLeftColor, borderBottomColor, borderTopColor } = getComputedStyle(
      this.#canvas,
    );
    const span = Math.max(1000, (this.#frames.at(-1)?.at ?? 0) - first.at);
    const x = (at: number) => ((at - first.at) / span) * width;
    const y = (gap: number) => HEIGHT - Math.sqrt(Math.min(1, gap / TOP_MS)) * HEIGHT;
    // Every second stretch is shaded, so that one sees where the next begins.
    context.fillStyle = borderLeftColor;
    this.#stretches.forEach(({ from, to }, i) => {
      if (i % 2) context.fillRect(x(from), 0, x(to) - x(from), HEIGHT);
    });
    // A frame is as wide as it was long.
    for (const { at, gap } of this.#frames) {
      const [left, right] = [Math.max(0, x(at - gap)), x(at)];
      const late = gap > LATE_MS;
      context.fillStyle = late ? borderBottomColor : color;
      context.fillRect(
        left,
        y(gap),
        Math.max(1, right - left - (right - left > 3 ? 1 : 0)),
        HEIGHT - y(gap),
      );
    }
    context.fillStyle = borderTopColor;
    context.fillRect(0, Math.round(y(LATE_MS)), width, 1);
  }

  #tell(): void {
    const heads = ['frames a second', 'longest', 'late in all', 'share of the time'];
    fill(
      this.#told,
      el(
        'table',
        { class: 'bench' },
        el('caption', {}, 'how the page fared meanwhile'),
        el(
          'thead',
          {},
          el(
            'tr',
            {},
            el('th', { scope: 'col' }, el('span', { class: 'unseen' }, 'storage')),
            ...heads.map((head) => el('th', { scope: 'col', class: 'n' }, head)),
          ),
        ),
        el(
          'tbody',
          {},
          ...this.#stretches.map(({ name, from, to, frames, longest, late }) => {
            const ms = Math.max(1, to - from);
            return el(
              'tr',
              {},
              el('th', { scope: 'row' }, name),
              el('td', { class: 'n' }, Math.round((frames / ms) * 1000)),
              el('td', { class: 'n' }, length(longest)),
              el('td', { class: 'n' }, late > 0 ? length(late) : 'never'),
              el('td', { class: 'n' }, percent(late / ms)),
            );
          }),
        ),
      ),
    );
  }
}
