/** The commits of a store, in order: their seqs, and how many changes each made. */

import type { Store } from '../../app.js';

/** A histogram bar: commits from `first` up to, but not with, `end`. */
export interface Bar {
  changes: number;
  first: number;
  end: number;
}

/** Grows with the store; `refresh` reads what came since. */
export class Commits {
  readonly seqs: number[] = [];
  readonly changes: number[] = [];
  /** The oldest moment that can be read. */
  horizon = 0;

  async refresh(db: Store): Promise<void> {
    const { horizon } = await db.stats();
    if (horizon !== this.horizon) {
      // A compaction took some of the past away.
      this.horizon = horizon;
      const kept = this.after(horizon);
      this.seqs.splice(0, kept);
      this.changes.splice(0, kept);
    }
    const since = this.seqs.at(-1) ?? horizon;
    for await (const { seq } of db.watch({ since, live: false })) {
      if (this.seqs.at(-1) !== seq) {
        this.seqs.push(seq);
        this.changes.push(0);
      }
      this.changes[this.changes.length - 1]! += 1;
    }
  }

  /** How many commits are at or before a seq. */
  after(seq: number): number {
    let low = 0;
    let high = this.seqs.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.seqs[middle] as number) <= seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** The moment right after the first `n` commits. */
  momentAfter(n: number): number {
    return n > 0 ? (this.seqs[n - 1] as number) : Math.max(this.horizon, (this.seqs[0] ?? 1) - 1);
  }

  /** Bars of equal width, in number of commits or in time. */
  bars(count: number, byClock: boolean): Bar[] {
    const all = this.seqs.length;
    const [start, stop] = [this.seqs[0] ?? 0, this.seqs[all - 1] ?? 0];
    const bars: Bar[] = [];
    let first = 0;
    for (let at = 1; at <= count; at += 1) {
      const limit = start + ((stop - start) * at) / count;
      const end = at === count ? all : byClock ? this.after(limit) : Math.round((all * at) / count);
      let changes = 0;
      for (let i = first; i < end; i += 1) changes += this.changes[i] as number;
      bars.push({ changes, first, end });
      first = end;
    }
    return bars;
  }
}
