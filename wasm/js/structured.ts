/**
 * The structured codec: values as the structured clone of the web platform has them, in a form
 * that is the same in every browser and version, so that it can be stored.
 */

import { floatBytes, floatOf, type Reader, type Writer } from './bytes.js';
import { type ValueCodec, decodeText, encodeText, foreign, packedBy, unpacked } from './codec.js';
import { refuse } from './error.js';

const UNDEFINED = 0;
const NULL = 1;
const FALSE = 2;
const TRUE = 3;
const FLOAT = 4;
const NATURAL = 5;
const NEGATIVE = 6;
const BIG = 7;
const STRING = 8;
const DATE = 9;
const ARRAY = 10;
const OBJECT = 11;
const MAP = 12;
const SET = 13;
const VIEW = 14;
const BUFFER = 15;
const REGEXP = 16;
const ERROR = 17;
/** An object that stands further up already: shared, or around this one. */
const SAME = 18;
/** How deep objects stand in others: what is read back elsewhere may have less of a stack. */
const DEPTH_MAX = 500;
/** Bytes of a value, of which each part of it takes one. */
const PARTS_MAX = 512 << 20;

/** Kinds of binary views by number; a new one goes at the end. */
const VIEWS = ('Uint8Array Int8Array Uint8ClampedArray Int16Array Uint16Array Int32Array '
  + 'Uint32Array Float32Array Float64Array BigInt64Array BigUint64Array DataView').split(' ');
const ERRORS = /^(Eval|Range|Reference|Syntax|Type|URI)Error$/;

type ViewOf = new (buffer: ArrayBuffer, offset?: number, length?: number) => ArrayBufferView;

function float(w: Writer, value: number): void {
  for (const byte of floatBytes(value).reverse()) w.u8(byte);
}

function readFloat(r: Reader): number {
  return floatOf(new Uint8Array(8).map(() => r.u8()).reverse());
}

function text(w: Writer, ...texts: string[]): void {
  for (const one of texts) w.b(encodeText(one));
}

class Packer {
  readonly #seen = new Map<object, number>();
  #depth = 0;
  constructor(readonly w: Writer) {}

  pack(value: unknown): void {
    const { w } = this;
    switch (typeof value) {
      case 'undefined': w.u8(UNDEFINED); break;
      case 'boolean': w.u8(value ? TRUE : FALSE); break;
      case 'string': text(w.u8(STRING), value); break;
      case 'bigint': text(w.u8(BIG), `${value}`); break;
      case 'number':
        if (!Number.isSafeInteger(value) || Object.is(value, -0)) float(w.u8(FLOAT), value);
        else if (value >= 0) w.u8(NATURAL).n(value);
        else w.u8(NEGATIVE).n(-value);
        break;
      case 'object':
        if (value === null) w.u8(NULL);
        else {
          if ((this.#depth += 1) > DEPTH_MAX) refuse(`a value is ${DEPTH_MAX} deep at most`);
          this.#object(value);
          this.#depth -= 1;
        }
        break;
      default: refuse(`a ${typeof value} cannot be stored`);
    }
  }

  #object(value: object): void {
    const { w } = this;
    const same = this.#seen.get(value);
    if (same !== undefined) {
      w.u8(SAME).n(same);
      return;
    }
    this.#seen.set(value, this.#seen.size);
    if (Array.isArray(value)) {
      this.#all(ARRAY, value.length, value);
    } else if (value instanceof Date) float(w.u8(DATE), value.getTime());
    else if (value instanceof Map) {
      this.#all(MAP, value.size, [...value].flat());
    } else if (value instanceof Set) {
      this.#all(SET, value.size, value);
    } else if (ArrayBuffer.isView(value)) {
      // A Buffer of Node, too, reads back as the Uint8Array that it is.
      const name = value instanceof Uint8Array ? VIEWS[0] : value.constructor.name;
      const kind = VIEWS.indexOf(name as string);
      if (kind < 0) refuse('this binary view cannot be stored');
      w.u8(VIEW).u8(kind).b(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
    } else if (value instanceof ArrayBuffer) w.u8(BUFFER).b(new Uint8Array(value));
    else if (value instanceof RegExp) text(w.u8(REGEXP), value.source, value.flags);
    else if (value instanceof Error) {
      text(w.u8(ERROR), value.name, value.message, value.stack ?? '');
    } else this.#fields(value);
  }

  #all(tag: number, count: number, values: Iterable<unknown>): void {
    // Of an empty place too: to come to the end of a billion takes minutes.
    if (count > PARTS_MAX) refuse('a value has 512 MiB at most');
    this.w.u8(tag).n(count);
    for (const value of values) this.pack(value);
  }

  #fields(value: object): void {
    const kind = Object.prototype.toString.call(value);
    // What the platform keeps in others, as a URL or a `new Number`, is in no field.
    if (kind !== '[object Object]') refuse(`${kind} cannot be stored`);
    const fields = Object.entries(value);
    this.w.u8(OBJECT).n(fields.length);
    for (const [name, inner] of fields) {
      text(this.w, name);
      this.pack(inner);
    }
  }
}

class Unpacker {
  readonly #seen: object[] = [];
  constructor(readonly r: Reader) {}

  unpack(): unknown {
    const { r } = this;
    const tag = r.u8();
    switch (tag) {
      case UNDEFINED: return undefined;
      case NULL: return null;
      case FALSE: return false;
      case TRUE: return true;
      case FLOAT: return readFloat(r);
      case NATURAL: return r.n();
      case NEGATIVE: return -r.n();
      case BIG: return BigInt(r.s());
      case STRING: return decodeText(r.b());
      case SAME: return this.#seen[r.n()] ?? foreign('structured');
      default: return this.#object(tag);
    }
  }

  #keep<T extends object>(value: T): T {
    this.#seen.push(value);
    return value;
  }

  /** Takes as many as the number says that comes next. */
  #each(take: () => void): void {
    for (let left = this.r.n(); left > 0; left -= 1) take();
  }

  #object(tag: number): object {
    const { r } = this;
    switch (tag) {
      case DATE: return this.#keep(new Date(readFloat(r)));
      case ARRAY: {
        const array = this.#keep([] as unknown[]);
        this.#each(() => array.push(this.unpack()));
        return array;
      }
      case MAP: {
        const map = this.#keep(new Map<unknown, unknown>());
        this.#each(() => map.set(this.unpack(), this.unpack()));
        return map;
      }
      case SET: {
        const set = this.#keep(new Set<unknown>());
        this.#each(() => set.add(this.unpack()));
        return set;
      }
      case OBJECT: return this.#fields();
      // `slice` of a Buffer would be a view over what is around it, too.
      case VIEW: {
        const kind = VIEWS[r.u8()] ?? foreign('structured');
        const View = (globalThis as unknown as Record<string, ViewOf>)[kind] as ViewOf;
        return this.#keep(new View(new Uint8Array(r.b()).buffer));
      }
      case BUFFER: return this.#keep(new Uint8Array(r.b()).buffer);
      case REGEXP: return this.#keep(new RegExp(r.s(), r.s()));
      case ERROR: return this.#keep(error(r.s(), r.s(), r.s()));
      default: foreign('structured');
    }
  }

  #fields(): object {
    const object = this.#keep({} as Record<string, unknown>);
    this.#each(() => {
      const name = decodeText(this.r.b());
      const value = this.unpack();
      // Assigned, this one name would change what the object is.
      if (name !== '__proto__') object[name] = value;
      else {
        const field = { value, enumerable: true, writable: true, configurable: true };
        Object.defineProperty(object, name, field);
      }
    });
    return object;
  }
}

function error(name: string, message: string, stack: string): Error {
  const kinds = globalThis as unknown as Record<string, ErrorConstructor>;
  const made = new (kinds[ERRORS.test(name) ? name : 'Error'] as ErrorConstructor)(message);
  if (made.name !== name) made.name = name;
  if (stack) made.stack = stack;
  return made;
}

/**
 * Values of almost any kind: undefined, numbers and big integers, strings, dates, arrays, plain
 * objects, Map, Set, binary data, regular expressions, errors; shared and circular parts too.
 * An object of a class reads back as a plain one. Functions, symbols, and objects of the platform
 * that are none of these, as URL, are refused.
 */
export const structured: ValueCodec<any> = {
  name: 'structured',
  encode: (value) => packedBy('structured', (w) => new Packer(w).pack(value)),
  decode: (raw) => unpacked('structured', raw, (reader) => new Unpacker(reader).unpack()),
};
