/** The files of the store, drawn by the inspector of the package. */

import type { SiltInspector } from 'siltdb/inspector';
import type { App } from '../app.js';
import { button, el } from '../dom.js';

const MOODS = ['merry', 'weary', 'curious', 'stubborn', 'brave', 'sleepy', 'grand', 'tiny'];

export function logMap(root: HTMLElement, app: App): void {
  const inspector = el('silt-inspector' as 'div') as unknown as SiltInspector;
  inspector.store = app.db;
  addEventListener('siltdb-theme', () => inspector.repaint());
  const write = button('Set one key', async () => {
    const mood = MOODS[Math.floor(Math.random() * MOODS.length)];
    await app.db.set('note/mood', JSON.stringify({ mood, at: new Date().toISOString() }));
  }, { id: 'map-set' });
  const remove = button('Delete it', () => app.db.delete('note/mood'), { id: 'map-delete' });
  const rewrite = button('Overwrite 50 keys', async () => {
    const keys = await app.db.keys({ prefix: 'char/' }).all();
    const batch = app.db.batch();
    for (let i = 0; i < 50; i += 1) {
      const key = keys[Math.floor(Math.random() * keys.length)] ?? `note/${i}`;
      batch.set(key, JSON.stringify({ overwritten: i }));
    }
    await batch.commit();
  }, { id: 'map-overwrite' });
  root.append(el('div', { class: 'row' }, write, remove, rewrite), inspector);
}
