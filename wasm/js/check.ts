/** What callers give is looked at before anything is done with it: `SILT_INVALID` says why not. */

import { refuse } from './error.js';

/** The options, if they are some: one that is misspelt would be passed over. */
export function checkOptions<T extends object>(options: T, known: string): T {
  if (typeof options !== 'object' || !options) refuse('options must be an object');
  for (const name in options) {
    // Each operation of a batch comes here: to split the names would take a fifth of its time.
    if (!` ${known} `.includes(` ${name} `)) refuse(`there is no option ${name}, but ${known}`);
  }
  return options;
}

/** A whole number. The name, or the number itself where there is none, is put into the message. */
export function checkWhole(count: number, name: unknown): number {
  if (!Number.isSafeInteger(count) || count < 0) refuse(`${name} must be a whole number`);
  return count;
}

/** A whole number, or the default. */
export function checkCount(count: number | undefined, otherwise: number, name: string): number {
  return count === undefined || count === Infinity ? otherwise : checkWhole(count, name);
}

/** A function. */
export function checkFunction(given: unknown, name: string): void {
  if (typeof given !== 'function') refuse(`${name} must be a function`);
}

/** One of some words, or none. */
export function checkWord(given: unknown, name: string, words: string): void {
  if (given !== undefined && !words.split(' ').includes(given as string)) {
    refuse(`${name} is one of ${words}`);
  }
}

/** A signal, or none. */
export function checkSignal(signal: AbortSignal | undefined): AbortSignal | undefined {
  if (signal !== undefined && !signal?.addEventListener) refuse('signal must be an AbortSignal');
  return signal;
}

/** Each of a list made into something else. */
export function mapList<T, U>(list: readonly T[], name: string, make: (item: T) => U): U[] {
  if (!Array.isArray(list)) refuse(`${name} must be an array`);
  // Of a place that is empty, unlike `map` of the list itself, too.
  return [...list].map((item) => make(item));
}
