/** What Tab offers: commands, flags, keys of the store. */

import type { Store } from '../../app.js';
import { COMMANDS } from './grammar.js';
import { cutWords, quote } from './words.js';

const KEYS_MAX = 24;

/** The ways the line may go on from where the word at its end starts. */
export interface Offers {
  start: number;
  words: string[];
}

/** Offers for the end of a line. */
export async function offersFor(db: Store, line: string): Promise<Offers> {
  const { words } = cutWords(line);
  const blank = line === '' || /\s$/.test(line);
  const last = blank
    ? { text: '', start: line.length }
    : (words.at(-1) ?? { text: '', start: line.length });
  const before = (blank ? words : words.slice(0, -1)).map(({ text }) => text);
  const offer = (list: readonly string[]) => ({
    start: last.start,
    words: list.filter((word) => word.startsWith(last.text)).sort(),
  });
  const [name] = before;
  if (name === undefined) return offer(Object.keys(COMMANDS));
  const command = COMMANDS[name];
  if (!command) return offer([]);
  if (name === 'help') return offer(Object.keys(COMMANDS));
  const flag = before.at(-1)?.startsWith('--')
    ? command.flags[(before.at(-1) as string).slice(2)]
    : undefined;
  if (flag === 'durability') return offer(['synced', 'flushed', 'buffered']);
  if (flag === 'moment') return offer(["'1m ago'", "'10s ago'", 'now']);
  if (flag !== undefined && flag !== 'none' && flag !== 'key') return offer([]);
  if (last.text.startsWith('--'))
    return offer(Object.keys(command.flags).map((each) => `--${each}`));
  const plain = before.slice(1).filter((word) => !word.startsWith('--')).length;
  const wantsKey =
    flag === 'key' || command.keys === 'all' || (command.keys === 'first' && plain === 0);
  if (!wantsKey) return offer(Object.keys(command.flags).map((each) => `--${each}`));
  const keys = await db.keys({ prefix: last.text || undefined, limit: KEYS_MAX }).all();
  return { start: last.start, words: keys.map(quote) };
}

/** The longest text that all of them begin with. */
export function shared(words: readonly string[]): string {
  const [first = ''] = words;
  let length = first.length;
  for (const word of words) {
    while (!word.startsWith(first.slice(0, length))) length -= 1;
  }
  return first.slice(0, length);
}
