/** Retention rules: which superseded versions compaction keeps. */

import { checkWhole } from './check.js';
import { refuse } from './error.js';
import type { PackedRetention } from './wire.js';

/** Which superseded versions compaction keeps: `ms` of time, or so many `versions` of a key. */
export type Retention = 'latest' | 'forever' | { ms: number } | { versions: number };

/** A retention rule as it is packed. */
export function packRetention(rule: Retention): PackedRetention {
  if (rule === 'latest') return { kind: 0, amount: 0 };
  if (rule === 'forever') return { kind: 3, amount: 0 };
  const { ms, versions } = Object(rule);
  if (ms !== undefined && versions === undefined) {
    return { kind: 1, amount: checkWhole(ms, 'ms') * 1000 };
  }
  if (ms === undefined && versions !== undefined) {
    return { kind: 2, amount: checkWhole(versions, 'versions') };
  }
  // One that has both would keep what only the one rule tells, and lose the rest.
  return refuse('retention is latest, forever, { ms } or { versions }');
}

/** A retention rule as callers see it. */
export function retentionOf({ kind, amount }: PackedRetention): Retention {
  if (kind === 0) return 'latest';
  if (kind === 3) return 'forever';
  return kind === 1 ? { ms: amount / 1000 } : { versions: amount };
}
