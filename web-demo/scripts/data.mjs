// The data set: characters that people like to browse, out of the table of the Unicode Character
// Database that the tests use. One record a line, `key<TAB>value`, as `silt import` reads them.

import { readFileSync } from 'node:fs';

const BLOCKS = [
  ['Greek and Coptic', 0x370, 0x3ff],
  ['Runic', 0x16a0, 0x16ff],
  ['Currency Symbols', 0x20a0, 0x20cf],
  ['Letterlike Symbols', 0x2100, 0x214f],
  ['Number Forms', 0x2150, 0x218f],
  ['Arrows', 0x2190, 0x21ff],
  ['Mathematical Operators', 0x2200, 0x22ff],
  ['Miscellaneous Technical', 0x2300, 0x23ff],
  ['Box Drawing', 0x2500, 0x257f],
  ['Geometric Shapes', 0x25a0, 0x25ff],
  ['Miscellaneous Symbols', 0x2600, 0x26ff],
  ['Dingbats', 0x2700, 0x27bf],
  ['Musical Symbols', 0x1d100, 0x1d1ff],
  ['Mahjong Tiles', 0x1f000, 0x1f02f],
  ['Playing Cards', 0x1f0a0, 0x1f0ff],
  ['Miscellaneous Symbols and Pictographs', 0x1f300, 0x1f5ff],
  ['Emoticons', 0x1f600, 0x1f64f],
  ['Transport and Map Symbols', 0x1f680, 0x1f6ff],
  ['Supplemental Symbols and Pictographs', 0x1f900, 0x1f9ff],
  ['Symbols and Pictographs Extended-A', 0x1fa70, 0x1faff],
];

/** Lines of the data set, made from `unicode.tsv`. */
export function characters(table) {
  const lines = [];
  for (const line of readFileSync(table, 'utf8').split('\n')) {
    const [key, fields] = line.split('\t');
    if (!fields) continue;
    const code = Number.parseInt(key.slice(2), 16);
    const block = BLOCKS.find(([, first, last]) => code >= first && code <= last);
    const [name, category] = fields.split(';');
    if (!block || name.startsWith('<')) continue;
    const value = { char: String.fromCodePoint(code), name, block: block[0], category };
    lines.push(`char/${key}\t${JSON.stringify(value)}`);
  }
  return `${lines.join('\n')}\n`;
}
