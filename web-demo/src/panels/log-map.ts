/** The files of the store, drawn by the inspector of the package. */

import type { SiltInspector } from 'siltdb/inspector';
import { type App, latest, whileSeen } from '../app.js';
import { button, el } from '../dom.js';

const MOODS = ['merry', 'weary', 'curious', 'stubborn', 'brave', 'sleepy', 'grand', 'tiny'];

export function logMap(root: HTMLElement, app: App): void {
  const inspector = el('silt-inspector' as 'div') as unknown as SiltInspector;
  inspector.store = app.db;
  addEventListener('siltdb-theme', () => inspector.repaint());
  const write = button(
    'Set one key',
    async () => {
      const mood = MOODS[Math.floor(Math.random() * MOODS.length)];
      await app.db.set('note/mood', JSON.stringify({ mood, at: new Date().toISOString() }));
    },
    { id: 'map-set' },
  );
  const remove = button('Delete it', () => app.db.delete('note/mood'), { id: 'map-delete' });
  const rewrite = button(
    'Overwrite 50 keys',
    async () => {
      const keys = await app.db.keys({ prefix: 'char/' }).all();
      const batch = app.db.batch();
      for (let i = 0; i < 50; i += 1) {
        const key = keys[Math.floor(Math.random() * keys.length)] ?? `note/${i}`;
        batch.set(key, JSON.stringify({ overwritten: i }));
      }
      await batch.commit();
    },
    { id: 'map-overwrite' },
  );
  // The one thing to do first, where it will be seen; the button in the head does the same.
  const first = el(
    'div',
    { class: 'row first', hidden: true },
    button('Load the data set', () => document.getElementById('load')?.click(), {
      class: 'primary',
    }),
    el('span', {}, 'Some 3\u2009000 characters of Unicode with their names: watch the log fill.'),
  );
  const show = whileSeen(
    root,
    latest(async () => {
      first.hidden = (await app.stats()).records > 0;
    }),
  );
  app.onChange(() => void show());
  void show();
  root.append(first, el('div', { class: 'row' }, write, remove, rewrite), inspector);
}
