// A storage of JavaScript for the tests in Rust: files are arrays, and it counts its handles.

function failure(code) {
  return Object.assign(new Error('made by the test'), { code });
}

export class TestStorage {
  files = new Map();
  open_files = new Map();
  last = 0;
  is_ready = true;
  fails = undefined;

  list() {
    return Array.from(this.files, ([name, file]) => [name, file.length]);
  }

  handle(name) {
    if (this.fails) throw failure(this.fails);
    const file = this.files.get(name);
    if (!file) throw failure('SILT_NOT_FOUND');
    this.open_files.set((this.last += 1), name);
    return this.last;
  }

  open(name) {
    return this.handle(name);
  }

  create(name) {
    if (this.files.has(name)) throw failure('SILT_ALREADY_EXISTS');
    this.files.set(name, new Uint8Array(0));
    return this.handle(name);
  }

  resume(name, length) {
    const handle = this.handle(name);
    this.files.set(name, this.files.get(name).slice(0, length));
    return handle;
  }

  publish(name, bytes) {
    this.files.set(name, bytes.slice());
  }

  remove(name) {
    if ([...this.open_files.values()].includes(name)) throw failure('SILT_DENIED');
    this.files.delete(name);
  }

  size(handle) {
    return this.files.get(this.open_files.get(handle)).length;
  }

  read(handle, offset, into) {
    const file = this.files.get(this.open_files.get(handle));
    if (offset + into.length > file.length) throw failure('SILT_UNEXPECTED_END');
    into.set(file.subarray(offset, offset + into.length));
  }

  append(handle, bytes) {
    if (this.fails) throw failure(this.fails);
    const name = this.open_files.get(handle);
    const file = this.files.get(name);
    const longer = new Uint8Array(file.length + bytes.length);
    longer.set(file);
    longer.set(bytes, file.length);
    this.files.set(name, longer);
  }

  sync() {}

  close(handle) {
    this.open_files.delete(handle);
  }

  ready() {
    return this.is_ready;
  }
}

export function new_storage() {
  return new TestStorage();
}

export function new_clock() {
  let drawn = 1n;
  return {
    now: () => Date.now(),
    random: () => (drawn = BigInt.asUintN(64, drawn * 6364136223846793005n + 1n)),
  };
}

export function set_ready(storage, ready) {
  storage.is_ready = ready;
}

export function set_failing(storage, code) {
  storage.fails = code;
}

export function handles_open(storage) {
  return storage.open_files.size;
}
