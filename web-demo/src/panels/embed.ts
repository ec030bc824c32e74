/** How the inspector is put into another page. */

import { el } from '../dom.js';

const EXAMPLE = `import { open } from 'siltdb';
import 'siltdb/inspector';

const db = await open('notes');
document.querySelector('silt-inspector').store = db;`;

export function embed(root: HTMLElement): void {
  root.append(
    el('pre', { class: 'block' }, EXAMPLE),
    el('pre', { class: 'block' }, '<silt-inspector></silt-inspector>'),
    el(
      'p',
      { class: 'note' },
      'Its colours and height are custom properties (--silt-live, --silt-height and others); it ' +
        'follows the store by itself, and costs a page nothing until it is imported. ' +
        'This page loads the package as it is ' +
        'published, with an import map and no bundler.',
    ),
  );
}
