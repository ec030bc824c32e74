// The worker of the package with faults that a test asks for in the worker's name.
//
//   stopAt=publish:N   stops for ever in the middle of the Nth publishing: the manifest's bytes
//                      are written in part, the journal knows nothing of it
//   space=BYTES        files take so many bytes more, then a write is cut short as Chromium does it
//   without=opfs,idb   the platform lacks these
//   refuses=ERROR      it offers OPFS and refuses it, as browsers do in private windows
//   muteAt=N           stops for ever when it would send its Nth reply: the request is done by then
//   exportMs=N         an export takes so long
//   dropFrom=N         replies from the Nth on are lost; of each the page is told that it was made
//   late=MS            its followers hear all it says to them so much later
//   behind=MS          its page hears all it says so much later than what becomes of its locks
//   garble=N           the Nth request cannot be read when it comes
//   files=N            so many files stay open between requests; told how many to who asks, see below
//   spares=late        new files are not made before the worker is told so, see below
//   seed=N             the clock stands still, and the engine's random bits follow from N
import { attend } from '../../../js/line-end.js';
import { OpfsStorage } from '../../../js/opfs.js';
import { Seat } from '../../../js/seat.js';

const faults = new URLSearchParams(self.name);
const without = faults.get('without') ?? '';
if (without.includes('opfs')) delete (StorageManager.prototype as any).getDirectory;
const refuses = faults.get('refuses');
if (refuses) {
  StorageManager.prototype.getDirectory = () => Promise.reject(new DOMException('no', refuses));
}
if (without.includes('idb')) Object.defineProperty(self, 'indexedDB', { value: undefined });
const native = (globalThis as any).FileSystemSyncAccessHandle?.prototype;
let space = Number(faults.get('space') ?? Infinity);
let publishings = 0;
const stopAt = Number(faults.get('stopAt') ?? 0);
const write = native?.write;
if (native) native.write = function (this: any, bytes: Uint8Array, options: { at: number }) {
  const first = new TextDecoder('latin1').decode(bytes.subarray(0, 8));
  if (stopAt && /^SILTMAN/.test(first)) {
    publishings += 1;
    if (publishings === stopAt) {
      write.call(this, bytes.subarray(0, bytes.length >> 1), options);
      for (;;);
    }
  }
  if (bytes.length > space) return 4294967288;
  space -= bytes.length;
  return write.call(this, bytes, options);
};
const muteAt = Number(faults.get('muteAt') ?? 0);
const dropFrom = Number(faults.get('dropFrom') ?? Infinity);
let replies = 0;
const toPage = self.postMessage.bind(self) as (message: unknown) => void;
function muted(prototype: { postMessage(...args: any[]): void }) {
  const post = prototype.postMessage;
  prototype.postMessage = function (this: unknown, ...args: any[]) {
    if (args[0]?.t === 'reply') {
      replies += 1;
      if (replies === muteAt || replies >= dropFrom) toPage({ t: 'kept', replies });
      if (replies === muteAt) for (;;);
      if (replies >= dropFrom) return;
    }
    post.apply(this, args);
  };
}
if (muteAt || dropFrom < Infinity) {
  muted(self as never);
  muted(BroadcastChannel.prototype);
}
const late = Number(faults.get('late') ?? 0);
if (late) {
  const post = BroadcastChannel.prototype.postMessage;
  BroadcastChannel.prototype.postMessage = function (message) {
    const told = this.name.startsWith('siltdb-link:') && /leader|reply/.test(message.t);
    if (told) setTimeout(() => post.call(this, message), late);
    else post.call(this, message);
  };
}
const behind = Number(faults.get('behind') ?? 0);
if (behind) {
  self.postMessage = ((...args: unknown[]) =>
    void setTimeout(() => (toPage as (...args: unknown[]) => void)(...args), behind)) as never;
}
const exportMs = Number(faults.get('exportMs') ?? 0);
if (exportMs) {
  const { Blob } = globalThis;
  // What is exported is made one at its end.
  globalThis.Blob = function (parts: BlobPart[], options: BlobPropertyBag) {
    for (const end = performance.now() + exportMs; performance.now() < end;);
    return new Blob(parts, options);
  } as never;
}
const seed = faults.get('seed');
if (seed) {
  let state = BigInt(seed);
  const random = crypto.getRandomValues.bind(crypto);
  Date.now = () => 1_700_000_000_000;
  crypto.getRandomValues = ((into: BigUint64Array) => {
    if (!(into instanceof BigUint64Array)) return random(into);
    state = BigInt.asUintN(64, state * 6364136223846793005n + 1442695040888963407n);
    return into.fill(state);
  }) as never;
}

if (faults.get('spares') === 'late') {
  let make = () => {};
  const told = new Promise<void>((resolve) => (make = resolve));
  const { getFileHandle } = FileSystemDirectoryHandle.prototype;
  FileSystemDirectoryHandle.prototype.getFileHandle = async function (name, options) {
    if (options?.create) await told;
    return getFileHandle.call(this, name, options);
  };
  self.addEventListener('message', ({ data }) => data.t === 'spares' && make());
}

const garble = Number(faults.get('garble') ?? 0);
let requests = 0;
if (garble) {
  self.addEventListener('message', (event) => {
    if (event.data.t !== 'send' || (requests += 1) !== garble) return;
    event.stopImmediatePropagation();
    self.dispatchEvent(new MessageEvent('messageerror'));
  });
}

const filesMax = faults.get('files');
if (filesMax) {
  OpfsStorage.openMax = Number(filesMax);
  const open = new Set<{ getSize(): number }>();
  const opener = FileSystemFileHandle.prototype as any;
  const { createSyncAccessHandle } = opener;
  opener.createSyncAccessHandle = async function (this: FileSystemFileHandle) {
    const handle = await createSyncAccessHandle.call(this);
    if (this.name.endsWith('.segment')) open.add(handle);
    return handle;
  };
  const { close } = native;
  native.close = function (this: any) {
    open.delete(this);
    close.call(this);
  };
  self.addEventListener('message', ({ data }) => {
    // Spares are empty.
    const files = () => [...open].filter((handle) => handle.getSize() > 0).length;
    if (data.t === 'files') self.postMessage({ t: 'files', files: files() });
  });
}

new Seat(attend(self as never), () => self.close());
