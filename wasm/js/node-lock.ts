/**
 * One opener of a directory at a time, Node and the native tool alike.
 *
 * The native store holds a lock of the operating system on the file `LOCK`, and so does this: it
 * is gone when the process ends, however it ends. Node itself cannot ask for such a lock on
 * Linux, so the program `flock` (util-linux or busybox) is started for a moment: it locks the
 * open file that it inherits, and the lock stays with that file, which is ours. Apple's and BSD
 * systems, and Windows, lock with a flag when the file is opened.
 */

import { spawnSync } from 'node:child_process';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { codeOfErrno, refused } from './node-error.js';
import { SiltError } from './error.js';

/** Name of the lock file. */
export const LOCK = 'LOCK';

/** Flag of `open` that locks, where there is one. */
const LOCKING_FLAG: Partial<Record<NodeJS.Platform, { own: number; share: number }>> = {
  darwin: { own: 0x20, share: 0x10 },
  freebsd: { own: 0x20, share: 0x10 },
  openbsd: { own: 0x20, share: 0x10 },
  netbsd: { own: 0x20, share: 0x10 },
  // The library under Node opens such a file for itself alone.
  win32: { own: 0x10000000, share: 0 },
};

/** Flags against links, and against pipes that would block. */
export const CAREFUL = (fs.constants.O_NOFOLLOW ?? 0) | (fs.constants.O_NONBLOCK ?? 0);

/** Whether an open file, opened at this path, has no name any more. */
export function isRemoved(file: number, path: string): boolean {
  const { nlink, ino } = fs.fstatSync(file);
  // There are file systems that count no names.
  return nlink === 0 && fs.lstatSync(path, { throwIfNoEntry: false })?.ino !== ino;
}

/** A held lock. */
export class Lock {
  readonly #file: number | undefined;
  readonly #noted: boolean;

  private constructor(file: number | undefined, noted: boolean) {
    this.#file = file;
    this.#noted = noted;
  }

  /**
   * Takes the lock of a directory. For reading only it is shared with others that only read, and
   * there is none where there is no lock file and none can be made.
   */
  static take(dir: string, readOnly: boolean): Lock {
    const file = openLock(join(dir, LOCK), readOnly);
    if (file === undefined) return new Lock(undefined, false);
    try {
      if (!(process.platform in LOCKING_FLAG)) lockInherited(file, readOnly);
      if (!readOnly) note(file);
    } catch (e) {
      fs.closeSync(file);
      throw e;
    }
    if (!isRemoved(file, join(dir, LOCK))) return new Lock(file, !readOnly);
    // Whoever held it took the file away at its end, and a lock on it keeps nobody out any more.
    fs.closeSync(file);
    return Lock.take(dir, readOnly);
  }

  /** Gives the lock back. */
  release(): void {
    if (this.#file === undefined) return;
    // The next holder may be one that only reads, and must not be taken for this one.
    if (this.#noted) attempt(() => fs.ftruncateSync(this.#file as number, 0));
    fs.closeSync(this.#file);
  }
}

function openLock(path: string, readOnly: boolean): number | undefined {
  const locking = LOCKING_FLAG[process.platform];
  const lock = locking ? (readOnly ? locking.share : locking.own) : 0;
  const { O_RDONLY, O_RDWR, O_CREAT } = fs.constants;
  const open = (flags: number) => fs.openSync(path, flags | CAREFUL | lock, 0o600);
  try {
    if (!readOnly) return open(O_RDWR | O_CREAT);
    return fs.existsSync(path) ? open(O_RDONLY) : open(O_RDWR | O_CREAT);
  } catch (e) {
    const { code } = e as NodeJS.ErrnoException;
    if (locking && (code === 'EAGAIN' || code === 'EBUSY')) throw locked(path);
    if (readOnly && (code === 'EROFS' || code === 'EACCES')) return undefined;
    throw refused('lock', LOCK, e);
  }
}

/** Locks an open file through a program that inherits it. */
function lockInherited(file: number, share: boolean): void {
  for (const program of ['flock', '/usr/bin/flock', '/bin/flock']) {
    const { status, error } = spawnSync(program, ['-n', share ? '-s' : '-x', '3'], {
      stdio: ['ignore', 'ignore', 'ignore', file],
    });
    if (status === 0) return;
    if (status === 1) throw locked(file);
    const code = (error as NodeJS.ErrnoException | undefined)?.code;
    if (code !== undefined && code !== 'ENOENT') throw refused('lock', LOCK, error);
  }
  throw new SiltError(
    'SILT_NOT_SUPPORTED',
    'a store cannot be locked here: the program flock (of util-linux or busybox) is missing',
  );
}

/** Says who holds the lock; only a help, so that a full disk does not keep the store shut. */
function note(file: number): void {
  attempt(() => {
    fs.ftruncateSync(file, 0);
    fs.writeSync(file, `${process.pid} node\n`, 0);
  });
}

function locked(file: number | string): SiltError {
  let text = '';
  attempt(() => {
    const buffer = Buffer.alloc(1024);
    const fd = typeof file === 'number' ? file : fs.openSync(file, fs.constants.O_RDONLY | CAREFUL);
    text = buffer.toString('utf8', 0, fs.readSync(fd, buffer, 0, 1024, 0)).trimEnd();
    if (fd !== file) fs.closeSync(fd);
  });
  const [, pid, name] = /^(\d+) ([^\u0000-\u001f]+)$/.exec(text) ?? [];
  const other = pid && mayRun(Number(pid)) ? `process ${pid} (${name})` : 'another process';
  const holder = Number(pid) === process.pid ? 'this process' : other;
  return new SiltError('SILT_LOCKED', `the store is in use by ${holder}: close it there first`);
}

/** Whether such a process may be running: a note can be left from one that was killed. */
function mayRun(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (e) {
    return codeOfErrno(e) !== 'ESRCH';
  }
}

function attempt(run: () => void): void {
  try {
    run();
  } catch {
    // What it would have told is missing, and nothing else.
  }
}
