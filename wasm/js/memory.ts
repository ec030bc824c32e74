/** The memory backend: nothing of it outlives the object. */

import { SiltError } from './error.js';
import type { HostStorage } from './storage.js';

interface MemoryFile {
  bytes: Uint8Array;
  length: number;
}

/** Files as byte arrays. A store can be closed and opened again over the same object. */
export class MemoryStorage implements HostStorage {
  readonly #files = new Map<string, MemoryFile>();
  readonly #open = new Map<number, MemoryFile>();
  #lastHandle = 0;

  list(): [string, number][] {
    return Array.from(this.#files, ([name, file]) => [name, file.length]);
  }

  open(name: string): number {
    return this.#handle(this.#find(name));
  }

  create(name: string): number {
    return this.#handle(this.#add(name, { bytes: new Uint8Array(0), length: 0 }));
  }

  resume(name: string, length: number): number {
    const file = this.#find(name);
    if (length > file.length) throw pastEnd(name);
    file.length = length;
    return this.#handle(file);
  }

  publish(name: string, bytes: Uint8Array): void {
    this.#add(name, { bytes: bytes.slice(), length: bytes.length });
  }

  remove(name: string): void {
    this.#files.delete(name);
  }

  size(handle: number): number {
    return this.#use(handle).length;
  }

  read(handle: number, offset: number, into: Uint8Array): void {
    const file = this.#use(handle);
    const end = offset + into.length;
    if (end > file.length) throw pastEnd('the file');
    into.set(file.bytes.subarray(offset, end));
  }

  append(handle: number, bytes: Uint8Array): void {
    const file = this.#use(handle);
    const end = file.length + bytes.length;
    if (end > file.bytes.length) {
      const grown = new Uint8Array(Math.max(end, file.bytes.length * 2, 4096));
      grown.set(file.bytes.subarray(0, file.length));
      file.bytes = grown;
    }
    file.bytes.set(bytes, file.length);
    file.length = end;
  }

  sync(handle: number): void {
    this.#use(handle);
  }

  close(handle: number): void {
    this.#open.delete(handle);
  }

  ready(): boolean {
    return true;
  }

  /** A copy of a file, for tests and for moving a store elsewhere. */
  bytes(name: string): Uint8Array<ArrayBuffer> {
    const file = this.#find(name);
    return file.bytes.slice(0, file.length) as Uint8Array<ArrayBuffer>;
  }

  #handle(file: MemoryFile): number {
    this.#lastHandle += 1;
    this.#open.set(this.#lastHandle, file);
    return this.#lastHandle;
  }

  #use(handle: number): MemoryFile {
    const file = this.#open.get(handle);
    if (!file) throw new SiltError('SILT_IO', `no file is open as ${handle}`);
    return file;
  }

  #find(name: string): MemoryFile {
    const file = this.#files.get(name);
    if (!file) throw new SiltError('SILT_NOT_FOUND', name);
    return file;
  }

  #add(name: string, file: MemoryFile): MemoryFile {
    if (this.#files.has(name)) throw new SiltError('SILT_ALREADY_EXISTS', name);
    this.#files.set(name, file);
    return file;
  }
}

function pastEnd(name: string): SiltError {
  return new SiltError('SILT_UNEXPECTED_END', `${name} ends before`);
}
