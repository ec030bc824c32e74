/** Runs commands on the store, and gives the lines that they print. */

import type { Commit, Durability, Retention } from 'siltdb';
import type { Store } from '../../app.js';
import { bytes, count, counted, length, percent, rfc3339 } from '../../format.js';
import { COMMANDS, parse, type Parsed } from './grammar.js';
import { parseLength, parseMoment } from './moments.js';

/** Lines printed at most. */
const LINES_MAX = 400;

/** What a run has to remember between two commands. */
export class Runner {
  /** The moment that is read, when it is not the newest. */
  at: number | undefined;
  readonly #db: Store;

  constructor(db: Store) {
    this.#db = db;
  }

  /** Runs one command. Throws what went wrong. */
  async run(words: readonly string[]): Promise<string[]> {
    const parsed = parse(words);
    const run = VERBS[parsed.name];
    if (!run) throw new Error(`${parsed.name} is not for here`);
    return run(this.#db, parsed, this);
  }
}

type Verb = (db: Store, parsed: Parsed, runner: Runner) => Promise<string[]>;

function number(parsed: Parsed, flag: string): number | undefined {
  const text = parsed.flags[flag];
  if (text === undefined) return undefined;
  if (!/^\d+$/.test(text)) throw new Error(`--${flag} needs a whole number`);
  return Number(text);
}

function momentOf({ flags }: Parsed, runner: Runner, flag = 'as-of'): number | undefined {
  const text = flags[flag];
  return text === undefined ? runner.at : parseMoment(text);
}

function durability({ flags }: Parsed): Durability | undefined {
  const mode = flags['durability'];
  if (mode !== undefined && !['synced', 'flushed', 'buffered'].includes(mode)) {
    throw new Error('--durability: write synced, flushed or buffered');
  }
  return mode as Durability | undefined;
}

function rangeOf(parsed: Parsed, runner: Runner) {
  const { prefix, from, to } = parsed.flags;
  return { prefix, gte: from, lt: to, at: momentOf(parsed, runner) };
}

function committed({ seq, durability: level }: Commit): string[] {
  return [`seq ${seq}, ${level}`];
}

/** Control characters so that a value stays on its line. */
function escape(text: string): string {
  // One character each, as the command line prints them.
  return text.replace(/[\u0000-\u001f\u007f\\]/g, (c) => {
    const short = { '\t': '\\t', '\n': '\\n', '\r': '\\r', '\\': '\\\\' }[c];
    return short ?? `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
}

function writable(runner: Runner): void {
  if (runner.at !== undefined) throw new Error("the past cannot be written: 'at now' comes back");
}

const VERBS: Record<string, Verb> = {
  async set(db, parsed, runner) {
    writable(runner);
    const [key = '', value = ''] = parsed.words;
    const { ttl } = parsed.flags;
    return committed(
      await db.set(key, value, {
        ttl: ttl === undefined ? undefined : parseLength(ttl) / 1000,
        ifAbsent: 'if-absent' in parsed.flags,
        ifSeq: number(parsed, 'if-seq'),
        durability: durability(parsed),
      }),
    );
  },
  async get(db, parsed, runner) {
    const value = await db.get(parsed.words[0] as string, { at: momentOf(parsed, runner) });
    return [value ?? '(absent)'];
  },
  async del(db, parsed, runner) {
    writable(runner);
    const { prefix } = parsed.flags;
    if (prefix !== undefined) {
      const found = await db.count({ prefix });
      if (!('yes' in parsed.flags)) {
        throw new Error(`this would delete ${counted(found, 'key')}; add --yes to do it`);
      }
      const done = await db.deleteRange({ prefix }, { durability: durability(parsed) });
      return [`${counted(done.count, 'key')} deleted`, ...committed(done)];
    }
    if (parsed.words.length === 0) throw new Error(`usage: ${parsed.command.usage}`);
    const batch = db.batch();
    for (const key of parsed.words) batch.delete(key);
    return committed(await batch.commit({ durability: durability(parsed) }));
  },
  async scan(db, parsed, runner) {
    const range = { ...rangeOf(parsed, runner), reverse: 'reverse' in parsed.flags };
    const asked = number(parsed, 'limit') ?? Infinity;
    const limit = Math.min(asked, LINES_MAX + 1);
    const lines =
      'keys-only' in parsed.flags
        ? (await db.keys({ ...range, limit }).all()).map(escape)
        : (await db.entries({ ...range, limit }).all()).map(
            ([k, v]) => `${escape(k)}\t${escape(v)}`,
          );
    return capped(lines);
  },
  async count(db, parsed, runner) {
    return [String(await db.count(rangeOf(parsed, runner)))];
  },
  async history(db, parsed) {
    const versions = await db.history(parsed.words[0] as string, {
      limit: number(parsed, 'limit'),
    });
    const lines = versions.map(({ seq, type, value }) => {
      return `${seq}\t${rfc3339(seq)}\t${type === 'set' ? 'set' : 'del'}\t${escape(value ?? '')}`;
    });
    return lines.length > 0 ? capped(lines) : ['(nothing is held of it)'];
  },
  async diff(db, parsed, runner) {
    if (parsed.flags['from'] === undefined) throw new Error(`usage: ${parsed.command.usage}`);
    const from = momentOf(parsed, runner, 'from') as number;
    const to = momentOf(parsed, runner, 'to') ?? (await db.stats()).lastSeq;
    if (to < from) throw new Error('--from is later than --to; exchange them');
    const lines: string[] = [];
    for await (const { key, before, after } of db.diff(from, to, {
      prefix: parsed.flags['prefix'],
    })) {
      if (lines.length > LINES_MAX) break;
      const sign = !before ? '+' : !after ? '-' : '~';
      const values = [before, after].flatMap((side) => (side ? [escape(side.value)] : []));
      lines.push([`${sign}${escape(key)}`, ...values].join('\t'));
    }
    return lines.length > 0 ? capped(lines) : ['(nothing differs)'];
  },
  async batch(db, parsed, runner) {
    writable(runner);
    const batch = db.batch();
    for (const word of parsed.words) {
      const op = JSON.parse(word) as Record<string, string | number | boolean | undefined>;
      const { key, value } = op;
      const conditions = {
        ifAbsent: op['if_absent'] === true,
        ifSeq: op['if_seq'] as number | undefined,
      };
      if (typeof key !== 'string') throw new Error(`an operation needs a key: ${word}`);
      if (op['op'] === 'delete') batch.delete(key, conditions);
      else if (op['op'] === 'set' && typeof value === 'string') {
        const ttl = typeof op['ttl'] === 'string' ? parseLength(op['ttl']) / 1000 : undefined;
        batch.set(key, value, { ...conditions, ttl });
      } else
        throw new Error(
          `{"op":"set","key":"a","value":"b"} or {"op":"delete","key":"a"}, not ${word}`,
        );
    }
    const size = batch.size;
    return [
      counted(size, 'operation'),
      ...committed(await batch.commit({ durability: durability(parsed) })),
    ];
  },
  async stats(db, parsed) {
    if ('segments' in parsed.flags) {
      return (await db.segments()).map((s) => {
        const dead = `${percent(s.deadBytes / s.fileBytes)} dead`;
        const columns = [counted(s.records, 'record'), bytes(s.fileBytes), dead];
        return [`segment ${s.segment}`, s.state, ...columns].join('\t');
      });
    }
    const s = await db.stats();
    return [
      `keys\t${count(s.keys)}`,
      `records\t${count(s.records)}`,
      `segments\t${count(s.segments)}`,
      `files\t${bytes(s.fileBytes)}`,
      `dead\t${bytes(s.deadBytes)}`,
      `index\t${bytes(s.indexBytes)}`,
      `last commit\t${s.lastSeq === 0 ? 'none yet' : `${rfc3339(s.lastSeq)} (seq ${s.lastSeq})`}`,
      `durable up to\t${s.durableSeq === 0 ? 'none yet' : `seq ${s.durableSeq}`}`,
    ];
  },
  async compact(db, parsed) {
    if ('plan' in parsed.flags) {
      const plans = await db.compactionPlan();
      if (plans.length === 0) return ['nothing to compact'];
      return plans.map((p) => {
        const columns = [bytes(p.inputBytes), `${bytes(p.deadBytes)} dead`, p.reason];
        return [`segments ${p.segments.join(' ')}`, ...columns].join('\t');
      });
    }
    const { before, after, ms } = await db.compact();
    return [`${bytes(before)} became ${bytes(after)} in ${length(ms)}`];
  },
  async retain(db, parsed) {
    const [rule] = parsed.words;
    if (rule === undefined) return [retentionText(await db.retention())];
    const asked: Retention =
      rule === 'latest' || rule === 'forever'
        ? rule
        : /^\d+$/.test(rule)
          ? { versions: Number(rule) }
          : { ms: parseLength(rule) / 1000 };
    await db.setRetention(asked);
    return [retentionText(asked)];
  },
  async at(_db, parsed, runner) {
    const text = parsed.words.join(' ');
    if (text === 'now') runner.at = undefined;
    else if (text !== '') runner.at = parseMoment(text);
    return [
      runner.at === undefined
        ? 'reading the newest'
        : `reading as of ${rfc3339(runner.at)} (seq ${runner.at})`,
    ];
  },
  async help(_db, parsed) {
    const [name] = parsed.words;
    const one = name === undefined ? undefined : COMMANDS[name];
    if (one) return [one.usage, one.about];
    return Object.entries(COMMANDS).map(([each, { about }]) => `${each}\t${about}`);
  },
};

/** A rule as the command line writes it. */
export function retentionText(rule: Retention): string {
  if (typeof rule === 'string') return rule;
  return 'ms' in rule ? `${rule.ms / 1000}s` : String(rule.versions);
}

function capped(lines: string[]): string[] {
  if (lines.length <= LINES_MAX) return lines;
  return [
    ...lines.slice(0, LINES_MAX),
    `(the first ${LINES_MAX} lines: use --limit, --prefix or --from)`,
  ];
}
