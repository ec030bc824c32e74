/**
 * What the inspector knows of a store: its segments, and their records as far as it shows them.
 *
 * Segments whose figures have not changed are not read again, so that following a store at work
 * costs no more than reading its newest segment.
 */

import type { Silt } from '../client.js';
import type { RecordPart, SegmentInfo, SegmentPart } from '../figures.js';

/** What of a store the inspector needs. */
export type Source = Pick<Silt<any, any>, 'segments' | 'records' | 'bytes' | 'onEvent'>;

/** A cell of a strip: a record, or the remains of one. */
export type Cell = RecordPart | { kind: 'torn'; offset: number; length: number };

/** A segment as it is drawn. */
export interface Strip {
  info: SegmentInfo;
  /** In the order of the file. Empty where there are too many to draw. */
  cells: Cell[];
  /** Bytes of the file by what they are for. */
  bytes: { live: number; dead: number; tables: number; rest: number };
  /** There are more records than are drawn. */
  tooMany: boolean;
  /** Why the rest of it cannot be read. */
  damage: string | undefined;
  /** First cell that was not there at the last look. */
  freshFrom: number;
}

/** Parts asked for at a time. */
const PAGE = 4000;

/** Whether nothing that is drawn of a segment has changed. */
function same(a: SegmentInfo, b: SegmentInfo): boolean {
  return (
    a.records === b.records &&
    a.deadBytes === b.deadBytes &&
    a.state === b.state &&
    a.fileBytes === b.fileBytes &&
    a.maxSeq === b.maxSeq
  );
}

/** Whether records were only appended: none of those there has been superseded since. */
function grownOnly({ info, damage, tooMany }: Strip, now: SegmentInfo): boolean {
  return (
    info.state === 'active' &&
    now.state === 'active' &&
    !damage &&
    !tooMany &&
    now.deadBytes === info.deadBytes &&
    now.records > info.records
  );
}

/** See the head of this file. */
export class Model {
  strips: Strip[] = [];
  readonly #source: Source;
  readonly #cellsMax: number;

  constructor(source: Source, cellsMax: number) {
    this.#source = source;
    this.#cellsMax = cellsMax;
  }

  /** Looks at the store; the strips are replaced as a whole. */
  async refresh(): Promise<void> {
    const segments = await this.#source.segments();
    const before = new Map(this.strips.map((strip) => [strip.info.segment, strip]));
    const strips: Strip[] = [];
    let left = this.#cellsMax;
    // Newest first: what is too much to draw is old.
    for (const info of [...segments].reverse()) {
      const known = before.get(info.segment);
      const room = left >= info.records;
      left -= info.records;
      if (known && same(known.info, info) && known.tooMany === !room) {
        strips.push({ ...known, info, freshFrom: known.cells.length });
      } else {
        strips.push(await this.#read(info, room, known));
      }
    }
    this.strips = strips.reverse();
  }

  async #read(info: SegmentInfo, room: boolean, known: Strip | undefined): Promise<Strip> {
    const strip: Strip = {
      info,
      cells: [],
      bytes: { live: 0, dead: 0, tables: 0, rest: 0 },
      tooMany: !room,
      damage: undefined,
      freshFrom: known ? known.cells.length : 0,
    };
    if (!room) {
      const { fileBytes, deadBytes } = info;
      strip.bytes = { live: fileBytes - deadBytes, dead: deadBytes, tables: 0, rest: 0 };
      return strip;
    }
    let start = 0;
    const last = known?.cells.at(-1);
    if (known && last && grownOnly(known, info)) {
      // What stands there already is as it was: only what came after is read.
      strip.cells = [...known.cells];
      strip.bytes = { ...known.bytes, rest: 0 };
      start = last.offset + last.length;
    }
    try {
      for (let from: number | undefined = start; from !== undefined;) {
        const page = await this.#source.records(info.segment, { from, limit: PAGE });
        for (const part of page.parts) add(strip, part);
        from = page.next;
      }
    } catch (e) {
      const { code, message } = e as { code?: string; message?: string };
      strip.damage = code === 'SILT_NOT_FOUND' ? 'compacted away just now' : String(message);
    }
    return strip;
  }
}

function add(strip: Strip, part: SegmentPart): void {
  const { bytes } = strip;
  switch (part.kind) {
    case 'record':
      strip.cells.push(part);
      if (part.state === 'superseded') bytes.dead += part.length;
      else bytes.live += part.length;
      break;
    case 'torn':
      strip.cells.push({ ...part, kind: 'torn' });
      bytes.rest += part.length;
      break;
    case 'table':
    case 'fences':
    case 'filter':
    case 'footer':
      bytes.tables += part.length;
      break;
    case 'free':
      bytes.rest += part.length;
      break;
    default:
    // A group's length is that of its records, and more.
  }
}
