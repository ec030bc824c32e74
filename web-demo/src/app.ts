/** What the panels share: the open store, and word of what happens to it. */

import { open, type OpenOptions, type Silt, type Stats, utf8 } from 'siltdb';
import { report } from './dom.js';

/** A store whose keys and values are text, as the command line has them. */
export type Store = Silt<string, string>;

/** The kinds of storage that the address may ask for: `?backend=idb`. */
const BACKENDS = ['opfs', 'idb', 'memory'] as const;

const asked = new URLSearchParams(location.search).get('backend');

/** The storage that the address asks for, if it does. */
export const BACKEND = BACKENDS.find((backend) => backend === asked);

/** The reader's own store: one for each kind of storage that was asked for. */
export const NAME = BACKEND ? `demo-${BACKEND}` : 'demo';

/** Small segments: there is more to see. */
const SEGMENT_BYTES = 128 << 10;

/** A store was passed over for another kind of storage, and why. */
export interface Fallback {
  from: string;
  to: string;
  why: string;
}

/** An open store with the workers that it has started, newest last. */
export interface Opened {
  db: Store;
  workers: Worker[];
  fallbacks: Fallback[];
}

/** Opens a store of text, keeping hold of its workers so that they can be killed. */
export async function openText(name: string, options: OpenOptions = {}): Promise<Opened> {
  const workers: Worker[] = [];
  const script = new URL('siltdb/worker.js', document.baseURI);
  const db = await open<string, string>(name, {
    values: utf8,
    keys: utf8,
    worker: () => {
      const worker = new Worker(script, { type: 'module', name: `siltdb ${name}` });
      workers.push(worker);
      return worker;
    },
    backend: BACKEND,
    ...options,
  });
  const fallbacks: Fallback[] = [];
  db.onEvent((event) => {
    if (event.type === 'fallback') fallbacks.push(event);
  });
  return { db, workers, fallbacks };
}

/** The open store of the page. */
export class App {
  readonly db: Store;
  readonly opened: Opened;
  readonly #listeners = new Set<() => void>();
  readonly #roleListeners = new Set<() => void>();
  #pending = false;

  private constructor(opened: Opened) {
    this.opened = opened;
    this.db = opened.db;
    this.db.onEvent((event) => {
      if (event.type === 'change') this.#soon();
      if (event.type === 'role') {
        for (const listen of this.#roleListeners) listen();
        this.#soon();
      }
    });
  }

  /** Opens the reader's store. History is kept for ever, and compacted only when asked. */
  static async open(options: OpenOptions = {}): Promise<App> {
    return new App(
      await openText(NAME, {
        retention: 'forever',
        segmentBytes: SEGMENT_BYTES,
        autoCompact: false,
        fallback: 'memory',
        ...options,
      }),
    );
  }

  /** Calls back after commits, of this tab or another, once in a frame at most. */
  onChange(listen: () => void): () => void {
    this.#listeners.add(listen);
    return () => this.#listeners.delete(listen);
  }

  /** Calls back when this tab begins to lead or to follow. */
  onRole(listen: () => void): () => void {
    this.#roleListeners.add(listen);
    return () => this.#roleListeners.delete(listen);
  }

  /** Something may have changed that no event tells of. */
  changed(): void {
    this.#soon();
  }

  stats(): Promise<Stats> {
    return this.db.stats();
  }

  /** The worker at work. Ending it is a crash of the engine, if this tab leads. */
  get worker(): Worker | undefined {
    return this.opened.workers.at(-1);
  }

  #soon(): void {
    if (this.#pending) return;
    this.#pending = true;
    setTimeout(() => {
      this.#pending = false;
      for (const listen of this.#listeners) {
        try {
          listen();
        } catch (e) {
          report(e);
        }
      }
    }, 40);
  }
}

/** What a panel is: it fills its part of the page. */
export type Panel = (root: HTMLElement, app: App) => void | Promise<void>;

/**
 * A task that is run again when asked for, but never twice at a time: what is asked for meanwhile
 * is done once after it.
 */
export function latest(run: () => Promise<void>): () => Promise<void> {
  let going: Promise<void> | undefined;
  let again = false;
  const loop = async () => {
    do {
      again = false;
      await run();
    } while (again);
  };
  return () => {
    if (going) again = true;
    else
      going = loop()
        .catch(report)
        .finally(() => (going = undefined));
    return going ?? Promise.resolve();
  };
}

/** Runs a task only while its panel is on the screen; what was asked for before is done then. */
export function whileSeen(root: HTMLElement, run: () => Promise<void>): () => Promise<void> {
  let seen = false;
  let asked = false;
  const observer = new IntersectionObserver(
    (entries) => {
      seen = entries.at(-1)?.isIntersecting ?? false;
      if (seen && asked) {
        asked = false;
        void run();
      }
    },
    { rootMargin: '200px' },
  );
  observer.observe(root);
  return () => {
    if (seen) return run();
    asked = true;
    return Promise.resolve();
  };
}
