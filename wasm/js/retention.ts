/** Retention rules: which superseded versions compaction keeps. */

import { refuse } from './codec.js';
import type { Retention } from './engine.js';
import { checkCount } from './scope.js';
import type { PackedRetention } from './wire.js';

/** A retention rule as it is packed. */
export function packRetention(rule: Retention): PackedRetention {
  if (rule === 'latest') return { kind: 0, amount: 0 };
  if (rule === 'forever') return { kind: 3, amount: 0 };
  if ('ms' in rule) return { kind: 1, amount: checkCount(rule.ms, 0, 'ms') * 1000 };
  if ('versions' in rule) return { kind: 2, amount: checkCount(rule.versions, 0, 'versions') };
  return refuse('retention is `latest`, `forever`, { ms } or { versions }');
}

/** A retention rule as callers see it. */
export function retentionOf({ kind, amount }: PackedRetention): Retention {
  if (kind === 0) return 'latest';
  if (kind === 3) return 'forever';
  return kind === 1 ? { ms: amount / 1000 } : { versions: amount };
}
