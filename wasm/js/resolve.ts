/**
 * What became of a request whose leader died before it answered.
 *
 * Requests run one by one, and a leader notes who it runs them for: the client, the number of the
 * request, and the last seq before. Commits between that seq and the one of the next note are of
 * this client, of this request and those after it. Only what may commit nothing has a note to
 * itself. The client knows up to which seq it was answered. So the next leader finds what was
 * done of a request that comes again: that is answered, the rest is run. Nothing is lost, and
 * nothing is done twice.
 */

import { Reader, Writer } from './bytes.js';
import { decodeChanges, decodeNumber, DELETE_RANGE, encodeChanges, SYNC } from './wire.js';
import { type Operation, pinned, walk } from './walk.js';

/** Who was run, from which of its requests on, and the last seq before. */
export type Note = readonly [client: number, request: number, before: number];

interface Commit {
  seq: number;
  /** The request of the note that it is under. */
  under: number;
  /** By key: the value, or undefined for a delete. */
  changes: Map<string, Uint8Array | undefined>;
  count: number;
}

/** The number that the commits of a request are noted under. */
export function numberOf(notes: readonly Note[], client: number, request: number): number {
  const earlier = notes.filter(([of, number]) => of === client && number <= request);
  return Math.max(0, ...earlier.map(([, number]) => number)) || request;
}

/** The commits of a client after a seq, up to the last there is. */
export async function commitsOf(
  execute: Execute, notes: readonly Note[], client: number, after: number, last: number,
): Promise<Commit[]> {
  const commits: Commit[] = [];
  for (const [i, [of, under, before]] of notes.entries()) {
    const upTo = notes[i + 1]?.[2] ?? last;
    for (let since = Math.max(before, after); of === client && since < upTo; ) {
      const w = new Writer(32);
      encodeChanges(w, since, 1000, 0);
      const { changes, more, next } = decodeChanges(new Reader(await execute(w.take())));
      for (const { seq, key, value } of changes) {
        if (seq > upTo) break;
        let commit = commits[commits.length - 1];
        if (commit?.seq !== seq) {
          commit = { seq, under, changes: new Map(), count: 0 };
          commits.push(commit);
        }
        commit.changes.set(text(key), value);
        commit.count += 1;
      }
      since = more ? next : upTo;
    }
  }
  return commits;
}

/** Runs a whole request on the engine, however often its storage has to be awaited. */
export type Execute = (request: Uint8Array) => Uint8Array | Promise<Uint8Array>;

/**
 * Runs what of a request noted under `under` was not done, and gives the answers to all of it,
 * and the last of `commits` that was its own: they are those of the client from this request on.
 * What it reads, it reads as of before those that the client asked for later.
 */
export async function runRest(
  execute: Execute, request: Uint8Array, under: number, commits: Commit[],
): Promise<[reply: Uint8Array, last: number]> {
  const answers: Uint8Array[] = [];
  let last = 0;
  for (const operation of walk(request)) {
    const commit = commits[0];
    if (commit?.under === under && isOf(operation, commit)) {
      commits.shift();
      if (last === 0) decodeNumber(new Reader(await execute(Uint8Array.of(SYNC))));
      last = commit.seq;
      answers.push(answer(commit));
    } else {
      answers.push(await execute(pinned(request, operation, commit && commit.seq - 1)));
    }
  }
  return [joined(answers), last];
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
  if (!operation.writes) return false;
  const asked = new Map<string, Uint8Array | undefined>();
  for (const { key, value } of operation.writes) asked.set(text(key), value);
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
