/** Where the operations of a request begin and end, and what those that write ask for. */

import { Reader, Writer } from './bytes.js';
import * as wire from './wire.js';

/** One operation of a request. */
export interface Operation {
  code: number;
  start: number;
  end: number;
  /** WRITE and SET_MANY: what it sets and deletes. */
  writes?: { key: Uint8Array; value: Uint8Array | undefined }[];
  /** Of what writes: whether it may commit nothing, and still be done. */
  mayFail?: boolean;
  /** DELETE_RANGE: of what. */
  range?: { from?: Uint8Array; to?: Uint8Array; prefix?: Uint8Array };
}

/** Every operation of a request. */
export function walk(request: Uint8Array): Operation[] {
  const r = new Reader(request);
  const operations: Operation[] = [];
  while (!r.done) {
    const start = r.position;
    const code = r.u8();
    const rest = fields(r, code, true);
    operations.push({ code, start, end: r.position, ...rest });
  }
  return operations;
}

/** Whether a write of a request may commit nothing; undefined if it has none. */
export function mayFail(request: Uint8Array): boolean | undefined {
  let found: boolean | undefined;
  const r = new Reader(request);
  while (!r.done) {
    const { mayFail } = fields(r, r.u8(), false);
    if (mayFail) return true;
    found ??= mayFail;
  }
  return found;
}

/** The flag of the seq that reads of each kind look at; twice it is that of the view. */
const AT: Record<number, number> = {
  [wire.GET]: 1, [wire.HAS]: 1, [wire.GET_MANY]: 1, [wire.SCAN]: 4, [wire.COUNT]: 4,
};
const KEEP = 16;
const NONE = new Uint8Array(0);

/** One operation as a request; if it reads the newest state, it is to read that of `at`. */
export function pinned(request: Uint8Array, operation: Operation, at?: number): Uint8Array {
  const { code, start, end } = operation;
  const bytes = request.slice(start, end);
  const opens = code === wire.VIEW_OPEN;
  const flag = opens ? 1 : AT[code];
  if (at === undefined || flag === undefined) return bytes;
  // Those of a view that is opened stand last, unless it is opened at a seq.
  const place = opens ? bytes.length - 1 : 1;
  const flags = bytes[place] as number;
  const viewed = !opens && (flags & (flag * 2)) !== 0;
  const keeps = viewed && code === wire.SCAN && (flags & KEEP) !== 0;
  if (opens ? hasMoment(bytes) : (flags & flag) !== 0 || (viewed && !keeps)) return bytes;
  bytes[place] = flags | flag;
  // The seq stands before the number of the view, which is the last.
  const cut = keeps ? startOfLast(bytes) : bytes.length;
  const w = new Writer(16).n(at).take();
  const made = new Uint8Array(bytes.length + w.length);
  made.set(bytes.subarray(0, cut));
  made.set(w, cut);
  made.set(bytes.subarray(cut), cut + w.length);
  return made;
}

function hasMoment(bytes: Uint8Array): boolean {
  const r = new Reader(bytes.subarray(1));
  r.n();
  return (r.u8() & 1) !== 0;
}

/** Where the number that ends the bytes begins: all of its bytes but the last have the top bit. */
function startOfLast(bytes: Uint8Array): number {
  let at = bytes.length - 1;
  while (at > 0 && (bytes[at - 1] as number) >= 0x80) at -= 1;
  return at;
}

function range(r: Reader): NonNullable<Operation['range']> {
  const flags = r.u8();
  return {
    ...(flags & 1 ? { from: r.b() } : {}),
    ...(flags & 2 ? { to: r.b() } : {}),
    ...(flags & 4 ? { prefix: r.b() } : {}),
  };
}

/** The moment that a read looks at: `at` is the flag of the seq, twice it that of the view. */
function moment(r: Reader, flags: number, at: number): void {
  if (flags & at) r.n();
  if (flags & (at * 2)) r.n();
}

/** `views`: of what is written, too. To make them takes longer than to pass over it. */
function write(r: Reader, views: boolean): Partial<Operation> {
  r.u8();
  const writes: NonNullable<Operation['writes']> = [];
  let mayFail = false;
  const take = () => {
    if (views) return r.b();
    r.skip();
    return NONE;
  };
  for (let left = r.n(); left > 0; left -= 1) {
    const flags = r.u8();
    mayFail ||= flags >= 4;
    if (flags & 32) {
      range(r);
      r.n();
      continue;
    }
    const key = take();
    const value = flags & 1 ? undefined : take();
    if (flags & 2) r.n();
    if (flags & 8) r.n();
    if (views && !(flags & 16)) writes.push({ key, value });
  }
  return { writes, mayFail };
}

function setMany(r: Reader, views: boolean): Partial<Operation> {
  r.u8();
  const lengths: number[] = [];
  for (let left = r.n() * 2; left > 0; left -= 1) lengths.push(r.n());
  if (!views) r.skip(lengths.reduce((sum, length) => sum + length, 0));
  const writes: NonNullable<Operation['writes']> = [];
  for (let i = 0; views && i < lengths.length; i += 2) {
    writes.push({ key: r.b(lengths[i]), value: r.b(lengths[i + 1]) });
  }
  return { writes, mayFail: false };
}

function fields(r: Reader, code: number, views: boolean): Partial<Operation> {
  const numbers = (count: number) => {
    for (; count > 0; count -= 1) r.n();
    return {};
  };
  switch (code) {
    case wire.GET:
    case wire.HAS:
    case wire.GET_MANY: {
      const flags = r.u8();
      for (let left = code === wire.GET_MANY ? r.n() : 1; left > 0; left -= 1) r.skip();
      moment(r, flags, 1);
      return {};
    }
    case wire.WRITE:
      return write(r, views);
    case wire.SET_MANY:
      return setMany(r, views);
    case wire.DELETE_RANGE:
      r.u8();
      return { range: range(r), mayFail: true };
    case wire.SCAN:
    case wire.COUNT: {
      const flags = r.u8();
      range(r);
      if (code === wire.SCAN) numbers(2);
      moment(r, flags, 4);
      return {};
    }
    case wire.VIEW_OPEN:
      r.n();
      return r.u8() & 1 ? numbers(1) : {};
    case wire.VIEW_CLOSE:
    case wire.COMPACT_STEP:
      return numbers(1);
    case wire.HISTORY:
      r.b();
      return numbers(1);
    case wire.DIFF:
      range(r);
      return numbers(3);
    case wire.RECORDS:
      return numbers(3);
    case wire.BYTES:
      r.b();
      return numbers(2);
    case wire.CHANGES:
      numbers(3);
      range(r);
      return {};
    case wire.RETENTION:
      if (r.u8()) {
        r.u8();
        r.n();
      }
      return {};
    default:
      return {};
  }
}
