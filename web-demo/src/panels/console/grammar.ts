/** The commands of the console: their words and flags, as the command line has them. */

/** What a flag is followed by; `none` for one that stands alone. */
export type FlagKind = 'none' | 'text' | 'key' | 'number' | 'moment' | 'length' | 'durability';

/** One command. */
export interface Command {
  usage: string;
  about: string;
  flags: Record<string, FlagKind>;
  /** Words besides flags: at least, at most. */
  words: [least: number, most: number];
  /** Words that are keys: the first, all, or none. */
  keys: 'first' | 'all' | 'none';
}

const RANGE: Record<string, FlagKind> = {
  prefix: 'key',
  from: 'key',
  to: 'key',
  'as-of': 'moment',
};

/** Every command by its name. */
export const COMMANDS: Record<string, Command> = {
  set: {
    usage: 'set KEY VALUE [--ttl TIME] [--if-absent | --if-seq N] [--durability MODE]',
    about: 'Set a key to a value',
    flags: { ttl: 'length', 'if-absent': 'none', 'if-seq': 'number', durability: 'durability' },
    words: [2, 2],
    keys: 'first',
  },
  get: {
    usage: 'get KEY [--as-of MOMENT]',
    about: 'Print the value of a key',
    flags: { 'as-of': 'moment' },
    words: [1, 1],
    keys: 'first',
  },
  del: {
    usage: 'del KEY... | del --prefix P --yes',
    about: 'Delete keys',
    flags: { prefix: 'key', yes: 'none', durability: 'durability' },
    words: [0, Infinity],
    keys: 'all',
  },
  scan: {
    usage:
      'scan [--prefix P] [--from A] [--to B] [--reverse] [--limit N] [--keys-only] [--as-of T]',
    about: 'Print records in the order of their keys',
    flags: { ...RANGE, reverse: 'none', limit: 'number', 'keys-only': 'none' },
    words: [0, 0],
    keys: 'none',
  },
  count: {
    usage: 'count [--prefix P] [--from A] [--to B] [--as-of MOMENT]',
    about: 'Count records, exactly',
    flags: RANGE,
    words: [0, 0],
    keys: 'none',
  },
  history: {
    usage: 'history KEY [--limit N]',
    about: 'Print what a key was, newest first',
    flags: { limit: 'number' },
    words: [1, 1],
    keys: 'first',
  },
  diff: {
    usage: 'diff --from MOMENT [--to MOMENT] [--prefix P]',
    about: 'Print what differs between two moments',
    flags: { from: 'moment', to: 'moment', prefix: 'key' },
    words: [0, 0],
    keys: 'none',
  },
  batch: {
    usage: 'batch {"op":"set","key":"a","value":"b"} {"op":"delete","key":"c"}...',
    about: 'Commit operations, all of them or none',
    flags: { durability: 'durability' },
    words: [1, Infinity],
    keys: 'none',
  },
  stats: {
    usage: 'stats [--segments]',
    about: 'Show what the store holds and takes',
    flags: { segments: 'none' },
    words: [0, 0],
    keys: 'none',
  },
  compact: {
    usage: 'compact [--plan]',
    about: 'Rewrite segments without what is superseded, deleted or expired',
    flags: { plan: 'none' },
    words: [0, 0],
    keys: 'none',
  },
  retain: {
    usage: 'retain [latest | forever | 7d | 10]',
    about: 'Show or set which superseded versions compaction keeps',
    flags: {},
    words: [0, 1],
    keys: 'none',
  },
  at: {
    usage: 'at [MOMENT | now]',
    about: "Read the past from here on: at 10m ago; 'at now' ends it",
    flags: {},
    words: [0, Infinity],
    keys: 'none',
  },
  help: {
    usage: 'help [COMMAND]',
    about: 'List the commands, or explain one',
    flags: {},
    words: [0, 1],
    keys: 'none',
  },
  clear: { usage: 'clear', about: 'Empty this screen', flags: {}, words: [0, 0], keys: 'none' },
};

/** A command with its words and the values of its flags. */
export interface Parsed {
  name: string;
  command: Command;
  words: string[];
  flags: Record<string, string>;
}

/** Sorts the words of a line; throws what is wrong with them. */
export function parse(words: readonly string[]): Parsed {
  const [name = '', ...rest] = words;
  const command = COMMANDS[name];
  if (!command) throw new Error(`${name} is no command: help lists them`);
  const parsed: Parsed = { name, command, words: [], flags: {} };
  for (let at = 0; at < rest.length; at += 1) {
    const word = rest[at] as string;
    if (!word.startsWith('--')) {
      parsed.words.push(word);
      continue;
    }
    const [flag = '', given] = word.slice(2).split(/=(.*)/s);
    const kind = command.flags[flag];
    if (!kind) throw new Error(`${name} has no flag --${flag}: ${command.usage}`);
    if (kind === 'none') parsed.flags[flag] = '';
    else {
      const value = given ?? rest[(at += 1)];
      if (value === undefined) throw new Error(`--${flag} needs a value: ${command.usage}`);
      parsed.flags[flag] = value;
    }
  }
  const [least, most] = command.words;
  if (parsed.words.length < least || parsed.words.length > most)
    throw new Error(`usage: ${command.usage}`);
  return parsed;
}
