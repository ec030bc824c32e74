/**
 * The files of one store in one directory, as the native store lays them out: the command-line
 * tool opens what this writes, and the other way round.
 */

import * as fs from 'node:fs';
import { join, resolve } from 'node:path';
import { SiltError } from './error.js';
import { FILE_NAME, look, refuseWorldWritable, run, settle } from './node-directory.js';
import { syncDir, TMP, unmake } from './node-directory.js';
import { codeOfErrno, refused } from './node-error.js';
import { CAREFUL, isRemoved, Lock, LOCK } from './node-lock.js';
import type { HostStorage } from './storage.js';

/** How a directory is opened. */
export interface NodeStorageOptions {
  /** Create the directory if there is none; true if left out. */
  create?: boolean | undefined;
  /** Change nothing, and share the store with others that only read. */
  readOnly?: boolean | undefined;
}

interface OpenFile {
  fd: number;
  name: string;
  /** Bytes appended, of a handle that appends, and how many of them are synced, if any ever was. */
  length: number;
  synced: number | undefined;
  /** End of the zeros written ahead, and how many are next. */
  reserved: number;
  step: number;
  /** The name of the file is durable. */
  named: boolean;
  /** An append or a sync failed, so what is on disk is unknown: nothing is written any more. */
  failed: boolean;
}

/**
 * Space is reserved ahead of a file that is appended to and synced in turns, by zeros, for the
 * reasons and in the steps that `cli/src/native/appender.rs` tells: these are its bounds.
 */
const STEP_MIN = 64 << 10;
const STEP_MAX = 1 << 20;
const GROUP_MAX = 64 << 10;
const ZEROS = new Uint8Array(64 << 10);
const { O_CREAT, O_EXCL, O_RDONLY, O_RDWR } = fs.constants;

/** A directory, locked against every other opener until it is shut. */
export class NodeStorage implements HostStorage {
  /** The directory's canonical path. */
  readonly path: string;
  readonly #readOnly: boolean;
  readonly #lock: Lock;
  /** What was made to open it: directories, the outermost first, and whether the lock file. */
  readonly #made: readonly string[];
  readonly #madeLock: boolean;
  readonly #files = new Map<number, OpenFile>();
  #isShut = false;

  /** Opens a directory and takes its lock. What interrupted publications left is removed. */
  constructor(dir: string, options: NodeStorageOptions = {}) {
    this.#readOnly = options.readOnly === true;
    const create = options.create !== false && !this.#readOnly;
    this.#made = run('open', dir, () => look(resolve(dir), create));
    this.path = run('open', dir, () => fs.realpathSync(dir));
    refuseWorldWritable(this.path);
    this.#madeLock = !fs.existsSync(join(this.path, LOCK));
    this.#lock = Lock.take(this.path, this.#readOnly);
    try {
      if (!this.#readOnly) run('open', dir, () => settle(this.path));
    } catch (e) {
      this.#lock.release();
      throw e;
    }
  }

  list(): [string, number][] {
    const names = run('list', this.path, () => fs.readdirSync(this.path));
    return names.flatMap((name): [string, number][] => {
      if (!FILE_NAME.test(name)) return [];
      // Even a link is told of: left out, a manifest that is one would be passed over for an
      // older one. Opening it is refused.
      const stat = fs.lstatSync(join(this.path, name), { throwIfNoEntry: false });
      return stat ? [[name, stat.size]] : [];
    });
  }

  open(name: string): number {
    return this.#open('open', name, O_RDONLY).fd;
  }

  create(name: string): number {
    this.#refuseIfReadOnly('create', name);
    return this.#open('create', name, O_RDWR | O_CREAT | O_EXCL).fd;
  }

  resume(name: string, length: number): number {
    this.#refuseIfReadOnly('resume', name);
    const file = this.#open('resume', name, O_RDWR);
    try {
      const { size } = run('resume', name, () => fs.fstatSync(file.fd));
      if (length > size) {
        const message = `resume ${name}: ${size} bytes are there, ${length} were expected`;
        throw new SiltError('SILT_UNEXPECTED_END', message);
      }
      if (length < size) run('resume', name, () => fs.ftruncateSync(file.fd, length));
    } catch (e) {
      this.close(file.fd);
      throw e;
    }
    file.length = length;
    file.reserved = length;
    return file.fd;
  }

  publish(name: string, bytes: Uint8Array): void {
    this.#refuseIfReadOnly('publish', name);
    const target = join(this.path, name);
    const tmp = target + TMP;
    run('publish', name, () => {
      // Left by a publish of this process that failed.
      fs.rmSync(tmp, { force: true });
      const fd = fs.openSync(tmp, O_RDWR | O_CREAT | O_EXCL | CAREFUL, 0o600);
      try {
        writeAll(fd, bytes, 0);
        fs.fdatasyncSync(fd);
      } finally {
        fs.closeSync(fd);
      }
      // Nobody else makes names between the two: the lock is held.
      if (fs.lstatSync(target, { throwIfNoEntry: false })) {
        fs.unlinkSync(tmp);
        throw new SiltError('SILT_ALREADY_EXISTS', `publish ${name}`);
      }
      fs.renameSync(tmp, target);
      syncDir(this.path);
    });
  }

  remove(name: string): void {
    this.#refuseIfReadOnly('remove', name);
    try {
      fs.unlinkSync(join(this.path, name));
    } catch (e) {
      if (codeOfErrno(e) !== 'ENOENT') throw refused('remove', name, e);
    }
  }

  size(handle: number): number {
    const { fd, name } = this.#use(handle);
    return run('size', name, () => fs.fstatSync(fd).size);
  }

  read(handle: number, offset: number, into: Uint8Array): void {
    const { fd, name } = this.#use(handle);
    run('read', name, () => {
      for (let at = 0; at < into.length; ) {
        const count = fs.readSync(fd, into, at, into.length - at, offset + at);
        if (count === 0) throw new SiltError('SILT_UNEXPECTED_END', `read ${name}: it ends before`);
        at += count;
      }
    });
  }

  append(handle: number, bytes: Uint8Array): void {
    this.#change('append', handle, (file) => {
      writeAll(file.fd, bytes, file.length);
      file.length += bytes.length;
      if (file.length <= file.reserved) return;
      file.reserved = file.length;
      const { synced, step } = file;
      if (step > 0 && synced !== undefined && file.length - synced <= GROUP_MAX) reserve(file);
    });
  }

  sync(handle: number): void {
    this.#change('sync', handle, (file) => {
      fs.fdatasyncSync(file.fd);
      // It takes what is written to it all the same, and loses it when it is closed.
      if (isRemoved(file.fd, join(this.path, file.name))) {
        const message = `sync ${file.name}: somebody has removed it while the store was open`;
        throw new SiltError('SILT_NOT_FOUND', message);
      }
      if (!file.named) syncDir(this.path);
      file.named = true;
      file.synced = file.length;
    });
  }

  close(handle: number): void {
    const file = this.#use(handle);
    this.#files.delete(handle);
    run('close', file.name, () => {
      try {
        // Whoever meets them all the same, after a crash, passes over them.
        if (file.reserved > file.length) fs.ftruncateSync(file.fd, file.length);
      } finally {
        fs.closeSync(file.fd);
      }
    });
  }

  ready(): boolean {
    return true;
  }

  /** Closes what is open and gives the lock back; once, later calls do nothing. */
  shutSync(): void {
    if (this.#isShut) return;
    this.#isShut = true;
    for (const handle of [...this.#files.keys()]) this.close(handle);
    this.#lock.release();
  }

  /** As `shutSync`, where no store could be opened: takes away what was made for one. */
  abandon(): void {
    try {
      // While the lock is held nobody else makes a store here.
      settle(this.path);
      if (this.#madeLock && this.list().length === 0) fs.rmSync(join(this.path, LOCK));
    } catch {
      // Windows keeps a file that is open.
    }
    this.shutSync();
    unmake(this.#made);
  }

  /** As {@link NodeStorage.shutSync}. */
  async shut(): Promise<void> {
    this.shutSync();
  }

  /** Runs a call that writes, unless an earlier one failed; if it fails, it was the last. */
  #change(operation: string, handle: number, write: (file: OpenFile) => void): void {
    const file = this.#use(handle);
    if (file.failed) {
      throw new SiltError('SILT_IO', `${operation} ${file.name}: an earlier write of it failed`);
    }
    file.failed = true;
    run(operation, file.name, () => write(file));
    file.failed = false;
  }

  #open(operation: string, name: string, flags: number): OpenFile {
    return run(operation, name, () => {
      const fd = fs.openSync(join(this.path, name), flags | CAREFUL, 0o600);
      // A pipe or a device would block, or lose what is written to it.
      if (!fs.fstatSync(fd).isFile()) {
        fs.closeSync(fd);
        throw new SiltError('SILT_DENIED', `${operation} ${name}: not a regular file`);
      }
      const nothing = { length: 0, synced: undefined, reserved: 0, step: STEP_MIN };
      const file = { fd, name, ...nothing, named: false, failed: false };
      this.#files.set(fd, file);
      return file;
    });
  }

  #use(handle: number): OpenFile {
    const file = this.#files.get(handle);
    if (!file) throw new SiltError('SILT_IO', `no file is open as ${handle}`);
    return file;
  }

  #refuseIfReadOnly(operation: string, name: string): void {
    if (!this.#readOnly) return;
    const message = `${operation} ${name}: the store was opened for reading only`;
    throw new SiltError('SILT_DENIED', message);
  }
}

/** Writes all of `bytes`, however few a call takes. */
function writeAll(fd: number, bytes: Uint8Array, offset: number): void {
  for (let at = 0; at < bytes.length; ) {
    const count = fs.writeSync(fd, bytes, at, bytes.length - at, offset + at);
    if (count === 0) throw new Error('nothing was written');
    at += count;
  }
}

/** Writes zeros past the end of a file, for the next appends to overwrite. */
function reserve(file: OpenFile): void {
  try {
    for (const end = file.length + file.step; file.reserved < end; ) {
      const part = ZEROS.subarray(0, end - file.reserved);
      writeAll(file.fd, part, file.reserved);
      file.reserved += part.length;
    }
    file.step = Math.min(file.step * 2, STEP_MAX);
  } catch (e) {
    if (refused('append', file.name, e).code !== 'SILT_OUT_OF_SPACE') throw e;
    // Then the file grows append by append, and this space is for others to use.
    file.step = 0;
    file.reserved = file.length;
    fs.ftruncateSync(file.fd, file.length);
  }
}
