/**
 * What became of a request whose leader died before it answered.
 *
 * A leader notes each request with writes before it runs it: who sent it, its number, and the
 * last seq before. Requests run one by one, so every commit between that seq and the one of the
 * next note is of this request. The next leader looks them up when the request comes again:
 * what was committed is answered, the rest is run. Nothing is lost, and nothing is done twice.
 */

import { Reader, Writer } from './bytes.js';
import {
  decodeChanges, decodeNumber, DELETE_RANGE, encodeChanges, encodePlain, SYNC, WRITE,
} from './wire.js';
import { type Operation, pinned, walk } from './walk.js';

/** Seqs after the first and up to the second. */
export type Interval = [after: number, upTo: number];

type Note = readonly [client: number, request: number, before: number];

interface Commit {
  seq: number;
  /** By key: the value, or undefined for a delete. */
  changes: Map<string, Uint8Array | undefined>;
  count: number;
}

/** Where the commits of a request are, by the notes there are and the last seq. */
export function intervalsOf(
  notes: readonly Note[], client: number, request: number, last: number,
): Interval[] {
  const found: Interval[] = [];
  notes.forEach(([ofClient, number, before], i) => {
    const next = notes[i + 1]?.[2] ?? last;
    if (ofClient === client && number === request && next > before) found.push([before, next]);
  });
  return found;
}

/** The seq before the first request that this client sent later and that was begun. */
export function beforeLater(
  notes: readonly Note[], client: number, request: number, last: number,
): number | undefined {
  const later = notes.find(([of, number]) => of === client && number > request);
  return later && later[2] < last ? later[2] : undefined;
}

/** Runs a whole request on the engine, however often its storage has to be awaited. */
export type Execute = (request: Uint8Array) => Uint8Array | Promise<Uint8Array>;

/**
 * Runs what of the request was not done, and gives the answers to all of it. What it reads, it
 * reads as of before the writes that the client asked for later and that are done already:
 * those of this request, and of others if `end` is given.
 */
export async function runRest(
  execute: Execute, request: Uint8Array, intervals: readonly Interval[], end?: number,
): Promise<Uint8Array> {
  const commits: Commit[] = [];
  for (const interval of intervals) commits.push(...await commitsIn(execute, interval));
  const answers: Uint8Array[] = [];
  let synced = false;
  let at = intervals[0]?.[0];
  for (const operation of walk(request)) {
    const commit = commits[0];
    if (commit && isOf(operation, commit)) {
      commits.shift();
      if (!synced) await runPlain(execute, SYNC);
      synced = true;
      answers.push(answer(commit));
      at = commit.seq;
    } else {
      answers.push(await execute(pinned(request, operation, commit ? at : end)));
    }
  }
  return joined(answers);
}

async function runPlain(execute: Execute, code: number): Promise<number> {
  const w = new Writer(8);
  encodePlain(w, code);
  return decodeNumber(new Reader(await execute(w.take())));
}

async function commitsIn(execute: Execute, [after, upTo]: Interval): Promise<Commit[]> {
  const commits: Commit[] = [];
  for (let since = after; since < upTo; ) {
    const w = new Writer(32);
    encodeChanges(w, since, 1000, 0);
    const page = decodeChanges(new Reader(await execute(w.take())));
    for (const { seq, key, value } of page.changes) {
      if (seq > upTo) return commits;
      let commit = commits[commits.length - 1];
      if (commit?.seq !== seq) commits.push((commit = { seq, changes: new Map(), count: 0 }));
      commit.changes.set(text(key), value);
      commit.count += 1;
    }
    if (!page.more) break;
    since = page.next;
  }
  return commits;
}

/** Whether a commit is what the operation asked for. */
function isOf(operation: Operation, commit: Commit): boolean {
  if (operation.code === DELETE_RANGE) {
    const inside = (key: string) => {
      const { from, to, prefix } = operation.range ?? {};
      return !(from && key < text(from)) && !(to && key >= text(to)) &&
        (!prefix || key.startsWith(text(prefix)));
    };
    return [...commit.changes].every(([key, value]) => value === undefined && inside(key));
  }
  if (operation.code !== WRITE) return false;
  const asked = new Map<string, Uint8Array | undefined>();
  for (const { key, value } of operation.writes ?? []) asked.set(text(key), value);
  return asked.size === commit.changes.size && [...asked].every(([key, value]) => {
    const done = commit.changes.get(key);
    return commit.changes.has(key) && (value && done ? same(value, done) : value === done);
  });
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** Bytes as a string of as many characters, which orders as they do. */
function text(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join('');
}

/** The answer to a write that is synced by now. */
function answer(commit: Commit): Uint8Array {
  return new Writer(16).u8(0).n(commit.seq).u8(3).u8(1).n(commit.count).take();
}

/** Pieces put together. */
export function joined(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0] as Uint8Array;
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
