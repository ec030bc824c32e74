/** Keys, ranges, snapshots and iterators of abstract-level, over those of a store. */

import {
  AbstractIterator,
  AbstractKeyIterator,
  AbstractSnapshot,
  AbstractValueIterator,
} from 'abstract-level';
import { CHUNK_BYTES, RawScan, type RawScanOptions } from './scan.js';
import { after, tighter, within } from './scope.js';
import type { Session } from './session.js';
import * as wire from './wire.js';

/** Level has an empty key, the store has not: it and keys that begin with 0 get a 0 before. */
export function toStore(key: Uint8Array): Uint8Array {
  if (key.length > 0 && key[0] !== 0) return key;
  const moved = new Uint8Array(key.length + 1);
  moved.set(key, 1);
  return moved;
}

function fromStore(key: Uint8Array): Uint8Array {
  return key.slice(key[0] === 0 ? 1 : 0);
}

/** A range as abstract-level asks for it. */
export interface RangeOptions {
  gt?: Uint8Array;
  gte?: Uint8Array;
  lt?: Uint8Array;
  lte?: Uint8Array;
  reverse?: boolean;
  limit?: number;
  snapshot?: SiltLevelSnapshot;
}

/** The bounds of a range in bytes of the store. */
export function bounds({ gt, gte, lt, lte }: RangeOptions): wire.KeyRange {
  const from = gte !== undefined ? toStore(gte) : gt !== undefined ? after(toStore(gt)) : undefined;
  const to = lte !== undefined ? after(toStore(lte)) : lt !== undefined ? toStore(lt) : undefined;
  return { from, to };
}

/** What a read with these options looks at. */
export function momentOf(options: { snapshot?: SiltLevelSnapshot }): wire.Moment {
  return options.snapshot?.moment ?? {};
}

/** The types leave the argument of the constructor out. */
const Base = AbstractSnapshot as unknown as new (options: object) => AbstractSnapshot;

/** A snapshot: the view is asked for at once, so what is written later is not in it. */
export class SiltLevelSnapshot extends Base {
  readonly moment: wire.Moment;
  readonly #session: Session;

  constructor(session: Session, options: object) {
    super(options);
    this.#session = session;
    const { moment, seq } = session.openView();
    this.moment = moment;
    // Whoever reads through it hears of a failure.
    seq.catch(() => {});
  }

  async _close(): Promise<void> {
    await this.#session.closeView(this.moment);
  }
}

/** What the three kinds of iterators share: records of a range, seen at one moment. */
export class Cursor {
  readonly #options: RawScanOptions;
  #scan: RawScan;
  readonly #session: Session;
  readonly #own: wire.Moment | undefined;
  #records = wire.NONE;

  constructor(session: Session, options: RangeOptions, keysOnly: boolean) {
    this.#session = session;
    let moment = momentOf(options);
    if (moment.viewId === undefined) {
      const opened = session.openView();
      opened.seq.catch(() => {});
      this.#own = moment = opened.moment;
    }
    const limit = options.limit ?? -1;
    this.#options = {
      ...bounds(options),
      moment,
      reverse: options.reverse === true,
      keysOnly,
      limit: limit < 0 ? Infinity : limit,
      chunkBytes: CHUNK_BYTES,
      keep: false,
    };
    this.#scan = new RawScan(session, { ...this.#options });
  }

  async next(): Promise<wire.PackedRecord | undefined> {
    if (this.#records.done) this.#records = await this.#scan.chunk();
    return this.#records.done ? undefined : this.#records.record(wire.packed);
  }

  async nextv<T>(size: number, item: (record: wire.PackedRecord) => T): Promise<T[]> {
    const items: T[] = [];
    while (items.length < size) {
      if (this.#records.done) this.#records = await this.#scan.chunk();
      if (this.#records.done) break;
      items.push(item(this.#records.record(wire.packed)));
    }
    return items;
  }

  seek(target: Uint8Array): void {
    this.#records = wire.NONE;
    this.#scan.close();
    const key = toStore(target);
    const range = { ...this.#options };
    // Out of the range is its end, as Level has it, not its beginning.
    if (!within(range, key)) range.limit = 0;
    if (range.reverse) range.to = tighter(range.to, after(key), -1);
    else range.from = tighter(range.from, key, 1);
    // Level itself counts up to the limit.
    this.#scan = new RawScan(this.#session, range);
  }

  async close(): Promise<void> {
    this.#records = wire.NONE;
    this.#scan.close();
    if (this.#own !== undefined) await this.#session.closeView(this.#own);
  }
}

type Make = new (...args: any[]) => any;

/** One kind of iterator over a {@link Cursor}. */
function over<Base extends Make>(
  base: Base,
  keysOnly: (options: any) => boolean,
  item: (record: wire.PackedRecord) => unknown,
): Make {
  return class extends base {
    readonly #cursor: Cursor;

    constructor(...args: any[]) {
      super(args[0], args[1]);
      this.#cursor = new Cursor(args[2] as Session, args[1], keysOnly(args[1]));
    }

    async _next(): Promise<unknown> {
      const record = await this.#cursor.next();
      return record && item(record);
    }

    async _nextv(size: number): Promise<unknown[]> {
      return this.#cursor.nextv(size, item);
    }

    _seek(target: Uint8Array): void {
      this.#cursor.seek(target);
    }

    async _close(): Promise<void> {
      await this.#cursor.close();
    }
  };
}

/** Pairs of a range. */
export const Entries = /* @__PURE__ */ over(
  AbstractIterator as unknown as Make,
  (options: { values?: boolean }) => options.values === false,
  ({ key, value }) => [fromStore(key), value.slice()],
);
/** Keys of a range. */
export const Keys = /* @__PURE__ */ over(AbstractKeyIterator as unknown as Make, () => true,
  ({ key }) => fromStore(key));
/** Values of a range. */
export const Values = /* @__PURE__ */ over(AbstractValueIterator as unknown as Make, () => false,
  ({ value }) => value.slice());
