/** A value then and now, what differs set off. */

import { el } from '../../dom.js';

/** How much of two texts is the same, at their beginnings and at their ends. */
function common(a: string, b: string): [start: number, end: number] {
  const max = Math.min(a.length, b.length);
  let start = 0;
  while (start < max && a[start] === b[start]) start += 1;
  let end = 0;
  while (end < max - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end += 1;
  return [start, end];
}

function side(
  title: string,
  text: string | undefined,
  from: number,
  to: number,
  mark: 'del' | 'ins',
): HTMLElement {
  const value =
    text === undefined
      ? el('p', { class: 'note' }, 'no value')
      : el(
          'pre',
          {},
          text.slice(0, from),
          to > from ? el(mark, {}, text.slice(from, to)) : '',
          text.slice(to),
        );
  return el('div', { class: 'side-value' }, el('h4', {}, title), value);
}

/** Both sides, one beside or above the other. */
export function thenAndNow(before: string | undefined, after: string | undefined): HTMLElement {
  const [start, end] = common(before ?? '', after ?? '');
  return el(
    'div',
    { class: 'values' },
    side('Then', before, start, (before ?? '').length - end, 'del'),
    side('Now', after, start, (after ?? '').length - end, 'ins'),
  );
}
