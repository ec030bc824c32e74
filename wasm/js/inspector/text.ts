/** Figures and keys as text. */

const decoder = new TextDecoder('utf-8', { fatal: true });

/** A whole number, its digits in threes. */
export function count(n: number): string {
  return String(n).replace(/\B(?=(\d{3})+$)/g, '\u2009');
}

/** Bytes in the unit that suits. */
export function size(n: number): string {
  if (n < 1024) return `${n} B`;
  const kib = n / 1024;
  return kib < 1000 ? `${kib.toPrecision(3)} KiB` : `${(kib / 1024).toPrecision(3)} MiB`;
}

/** A share of a whole in percent. */
export function share(part: number, whole: number): string {
  return whole > 0 ? `${Math.round((part / whole) * 100)}%` : '0%';
}

/** Two hexadecimal digits. */
export function hex(byte: number): string {
  return byte.toString(16).padStart(2, '0');
}

/** A key as text where it is some, and as hexadecimal digits where not. */
export function keyText(key: Uint8Array): string {
  try {
    const text = decoder.decode(key);
    if (!/[\u0000-\u001f\u007f]/.test(text)) return text;
  } catch {
    // Not text.
  }
  return Array.from(key, hex).join(' ');
}

/** The time of a seq, with its microseconds. */
export function time(seq: number): string {
  const date = new Date(Math.floor(seq / 1000));
  const two = (n: number) => String(n).padStart(2, '0');
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return `${day} ${clock}.${String(seq % 1_000_000).padStart(6, '0')}`;
}

/** An element with a class, attributes and children. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, string> = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}
