/**
 * A line of the console, cut into words as `silt shell` does it.
 *
 * Blanks part words, 'single quotes' keep everything, "double quotes" keep all but backslashes,
 * and # begins a comment. A word that begins with { or [ is JSON: it goes on to the bracket that
 * closes it, and its quotes stay.
 */

/** One word of a line, and where it starts in it. */
export interface Word {
  text: string;
  start: number;
}

/** The words; `wants` is what the last one needs to end. */
export interface Words {
  words: Word[];
  wants: string | undefined;
}

/** Cuts a line. */
export function cutWords(line: string): Words {
  const words: Word[] = [];
  let at = 0;
  let wants: string | undefined;
  while (at < line.length) {
    const c = line[at] as string;
    if (/\s/.test(c)) {
      at += 1;
      continue;
    }
    if (c === '#') break;
    const start = at;
    const word = c === '{' || c === '[' ? json(line, at) : plain(line, at);
    words.push({ text: word.text, start });
    wants = word.wants;
    at = word.end;
  }
  return { words, wants };
}

interface Cut {
  text: string;
  end: number;
  wants: string | undefined;
}

function plain(line: string, start: number): Cut {
  let text = '';
  let at = start;
  while (at < line.length && !/\s/.test(line[at] as string)) {
    const c = line[at] as string;
    at += 1;
    if (c === "'" || c === '"') {
      for (;;) {
        if (at >= line.length) return { text, end: at, wants: c };
        let next = line[at] as string;
        at += 1;
        if (next === c) break;
        if (c === '"' && next === '\\' && at < line.length) {
          next = line[at] as string;
          at += 1;
        }
        text += next;
      }
    } else if (c === '\\' && at < line.length) {
      text += line[at];
      at += 1;
    } else text += c;
  }
  return { text, end: at, wants: undefined };
}

function json(line: string, start: number): Cut {
  const open: string[] = [];
  let quoted = false;
  for (let at = start; at < line.length; at += 1) {
    const c = line[at] as string;
    if (quoted) {
      if (c === '\\') at += 1;
      else if (c === '"') quoted = false;
    } else if (c === '"') quoted = true;
    else if (c === '{') open.push('}');
    else if (c === '[') open.push(']');
    else if (c === open.at(-1)) {
      open.pop();
      if (open.length === 0)
        return { text: line.slice(start, at + 1), end: at + 1, wants: undefined };
    }
  }
  return { text: line.slice(start), end: line.length, wants: quoted ? '"' : open.at(-1) };
}

/** A word so that it is cut as one again. */
export function quote(word: string): string {
  if (/^[^\s'"\\#{[][^\s'"\\]*$/.test(word)) return word;
  return `'${word.replaceAll("'", "'\\''")}'`;
}
