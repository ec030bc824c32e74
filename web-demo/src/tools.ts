/** The head of the page: figures, the part this tab plays, data set, theme. */

import type { App } from './app.js';
import { latest } from './app.js';
import { loadDataSet } from './dataset.js';
import { button, choice, el, field, fill, report, say } from './dom.js';
import { bytes, count, length } from './format.js';
import { startOver } from './reset.js';

const THEME = 'siltdb-demo theme';

/** Light, dark, or as the system has it; there at once, without a store. */
export function themeSwitch(): HTMLElement {
  const root = document.documentElement;
  const select = choice(
    [
      ['auto', 'as the system'],
      ['light', 'light'],
      ['dark', 'dark'],
    ],
    root.dataset['theme'],
    { id: 'theme' },
  );
  select.addEventListener('change', () => {
    root.dataset['theme'] = select.value;
    try {
      localStorage.setItem(THEME, select.value);
    } catch {
      // It is chosen again next time.
    }
    dispatchEvent(new Event('siltdb-theme'));
  });
  return field('Theme', select);
}

/** Fills the head once the store is open; `opened` is how long that took. */
export function tools(root: HTMLElement, figures: HTMLElement, app: App, openedMs: number): void {
  const role = el('span', { class: 'badge', id: 'role' });
  const progress = el('span', { class: 'note', 'aria-live': 'off' });
  const load = button(
    'Load the data set',
    async () => {
      const began = performance.now();
      const total = await loadDataSet(app.db, (done, all) => {
        progress.textContent = `${count(done)} of ${count(all)}`;
      });
      progress.textContent = '';
      const took = length(performance.now() - began);
      say(
        `${count(total)} records written in ${took}, in small batches so that you see them land.`,
      );
    },
    { id: 'load', class: 'primary' },
  );
  const over = button('Start over', () => startOver(app), { id: 'start-over' });
  root.prepend(role, load, over, progress);

  const showRole = () => {
    role.textContent = `${app.db.info.role} \u00b7 ${app.db.info.backend}`;
    role.dataset['role'] = app.db.info.role;
    role.title =
      'The part that this tab plays among those that share the store, and where it is kept';
  };
  const show = latest(async () => {
    const stats = await app.stats();
    const entries: [string, string][] = [
      ['keys', count(stats.keys)],
      ['records held', count(stats.records)],
      ['segments', count(stats.segments)],
      ['on disk', bytes(stats.fileBytes)],
      ['commits since it was opened', count(stats.commits)],
      ['opened in', length(openedMs)],
    ];
    fill(
      figures,
      ...entries.map(([name, value]) => el('div', {}, el('dt', {}, name), el('dd', {}, value))),
    );
    load.classList.toggle('primary', stats.keys === 0);
  });
  showRole();
  app.onRole(showRole);
  app.onChange(() => void show());
  show().catch(report);
}
