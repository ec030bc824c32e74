/** The directory of a store: what makes it one, and what is made of it when it is opened. */

import * as fs from 'node:fs';
import { dirname, join } from 'node:path';
import { SiltError } from './error.js';
import { codeOfErrno, refused } from './node-error.js';
import { LOCK } from './node-lock.js';

/** The files of a store. */
export const FILE_NAME = /^(?!0{16}\.)\d{16}\.(?:segment|manifest)$/;
/** What the name of one ends with until it is published. */
export const TMP = '.tmp';

/** Runs a file call; what it throws becomes a `SiltError`. */
export function run<T>(operation: string, name: string, call: () => T): T {
  try {
    return call();
  } catch (e) {
    throw refused(operation, name, e);
  }
}

/** Makes the names of a directory survive power loss; Windows does with the file's own sync. */
export function syncDir(dir: string): void {
  if (process.platform === 'win32') return;
  const fd = fs.openSync(dir, fs.constants.O_RDONLY);
  try {
    fs.fsyncSync(fd);
  } finally {
    fs.closeSync(fd);
  }
}

/** Whether this is a file whose publication was interrupted. */
function isLeftover(name: string): boolean {
  return name.endsWith(TMP) && FILE_NAME.test(name.slice(0, -TMP.length));
}

/**
 * Looks whether a store is or may be at `dir`, and creates the directory if it may: tells which
 * directories that took, the outermost first.
 */
export function look(dir: string, create: boolean): string[] {
  let names: string[];
  try {
    names = fs.readdirSync(dir);
  } catch (e) {
    if (codeOfErrno(e) !== 'ENOENT') throw e;
    if (!create) throw new SiltError('SILT_NO_STORE', `there is no store in ${dir}`);
    return makeDirs(dir);
  }
  if (names.some((name) => FILE_NAME.test(name))) return [];
  const foreign = names.find(
    (name) => name !== LOCK && name !== 'lost+found' && !name.startsWith('.') && !isLeftover(name),
  );
  if (create && foreign === undefined) return [];
  const other = foreign === undefined ? '' : `, but ${foreign}`;
  const advice = create ? ': name an empty directory' : '';
  throw new SiltError('SILT_NO_STORE', `there is no store in ${dir}${other}${advice}`);
}

/** Creates `dir` and its missing parents, for the owner alone and durably; all that it has made. */
function makeDirs(dir: string): string[] {
  const parent = dirname(dir);
  let made: string[] = [];
  try {
    fs.mkdirSync(dir, 0o700);
  } catch (e) {
    if (codeOfErrno(e) === 'EEXIST') return [];
    if (codeOfErrno(e) !== 'ENOENT' || parent === dir) throw e;
    made = makeDirs(parent);
    fs.mkdirSync(dir, 0o700);
  }
  try {
    syncDir(parent);
  } catch (e) {
    // One may be allowed to create names in a directory and not to open it.
    if (codeOfErrno(e) !== 'EACCES') throw e;
  }
  return [...made, dir];
}

/** Takes away directories that were made here, in this order, as far as nothing stands in them. */
export function unmake(made: readonly string[]): void {
  try {
    for (const dir of [...made].reverse()) fs.rmdirSync(dir);
  } catch {
    // Somebody has put something there, and keeps it.
  }
}

/** Removes what interrupted publications left, and makes the names durable: what is decided from
 * here on must not stand on names that a power loss takes away. */
export function settle(dir: string): void {
  for (const name of fs.readdirSync(dir)) if (isLeftover(name)) fs.unlinkSync(join(dir, name));
  syncDir(dir);
}

/** Refuses a directory that everybody may write into. */
export function refuseWorldWritable(dir: string): void {
  if (process.platform === 'win32') return;
  const mode = run('open', dir, () => fs.statSync(dir).mode) & 0o7777;
  if ((mode & 0o002) === 0) return;
  const message = `everybody may write into ${dir} (mode ${mode.toString(8)})`;
  throw new SiltError('SILT_DENIED', `${message}; take that away with: chmod o-w`);
}
