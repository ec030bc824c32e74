/** The memory of a line, see `line.ts`. */

/** The words of the memory: what the line is at, whether the worker looks, how many bytes. */
export const STATE = 0;
export const LOOKS = 1;
export const LENGTH = 2;
/** The number of a request or the seq of its reply, in doubles, and from where on its bytes. */
export const NUMBER = 2;
export const BYTES = 24;
/** The memory; larger requests and replies go by message. */
export const MEMORY_BYTES = 16 << 10;

/** States: nobody is to do anything here; asked; the worker is at it. */
export const FREE = 0;
export const ASKED = 1;
export const TAKEN = 2;
/** The reply is there. The page has stopped looking: it is to be told by message. */
export const TOLD = 3;
export const LEFT = 4;

/** The memory from either end: its words, and what is asked or answered. */
export class LineMemory {
  readonly words: Int32Array;
  readonly #numbers: Float64Array;
  readonly #bytes: Uint8Array;

  constructor(memory: SharedArrayBuffer) {
    this.words = new Int32Array(memory);
    this.#numbers = new Float64Array(memory);
    this.#bytes = new Uint8Array(memory, BYTES);
  }

  /** Writes what the other end reads once the state says so; false: it is too large. */
  write(number: number, bytes: Uint8Array): boolean {
    if (bytes.length > this.#bytes.length) return false;
    this.#bytes.set(bytes);
    this.#numbers[NUMBER] = number;
    this.words[LENGTH] = bytes.length;
    return true;
  }

  /** What the other end has written, its bytes as a copy. */
  read(): { number: number; bytes: Uint8Array } {
    const number = this.#numbers[NUMBER] as number;
    return { number, bytes: this.#bytes.slice(0, this.words[LENGTH]) };
  }
}
