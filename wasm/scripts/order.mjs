// Puts the functions of a module in an order in which it packs best: the smallest first.
//
// They resemble each other most when they are of a size, and what packs them looks back only 32 KiB.
// Small ones are also called most, and low numbers are short in the code.

const CUSTOM = 0, IMPORT = 2, CODE = 10, FUNCTION_NAMES = 1;

/** Reads the parts of a module one after the other. */
class Bytes {
  constructor(bytes, at) {
    this.bytes = bytes;
    this.at = at;
  }

  number() {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = this.bytes[this.at++];
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
  }

  /** Bytes that have their length before them. */
  part() {
    const len = this.number();
    this.at += len;
    return this.bytes.subarray(this.at - len, this.at);
  }
}

function number(value) {
  return value < 128 ? [value] : [value % 128 + 128, ...number(Math.floor(value / 128))];
}

function part(bytes) {
  return [...number(bytes.length), ...bytes];
}

/** How many functions a module imports: their numbers come before those of its own. */
function imported(section) {
  const entries = new Bytes(section, 0);
  const count = entries.number();
  for (let entry = 0; entry < count; entry++) {
    entries.part();
    entries.part();
    if (entries.number() !== 0) throw new Error('the engine imports something but functions');
    entries.number();
  }
  return count;
}

/** The module with such names of its functions that `wasm-opt --reorder-functions-by-name` puts
 * them in the order of their sizes. */
export function namedBySize(module) {
  const sections = new Bytes(module, 8);
  let imports = 0, functions = [];
  while (sections.at < module.length) {
    const id = sections.number();
    const section = sections.part();
    if (id === IMPORT) imports = imported(section);
    if (id !== CODE) continue;
    const bodies = new Bytes(section, 0);
    functions = Array.from({ length: bodies.number() }, () => bodies.part());
  }
  const order = functions.map((_, index) => index)
    .sort((a, b) => functions[a].length - functions[b].length
      || Buffer.compare(functions[a], functions[b]));
  const names = order.flatMap((index, place) =>
    [...number(imports + index), ...part(Buffer.from(String(place).padStart(6, '0')))]);
  const map = [...number(order.length), ...names];
  const section = [...part(Buffer.from('name')), FUNCTION_NAMES, ...part(map)];
  return Buffer.concat([module, Buffer.from([CUSTOM, ...part(section)])]);
}
