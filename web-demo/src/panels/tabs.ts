/** Many tabs on one store: who leads, what happens when it goes, and that nothing is lost. */

import type { App } from '../app.js';
import { button, el, fill, report, say } from '../dom.js';
import { count, counted, length } from '../format.js';
import { addOne, compare, COUNTER, SHARES } from './tab-counter.js';
import { Lanes } from './tab-lanes.js';

const TELL_MS = 400;
const GONE_MS = 3000;

/** What a tab tells the others of itself. */
interface Tab {
  id: string;
  role: string;
  /** Increments that it was told are done. */
  acknowledged: number;
  running: boolean;
  frozen: boolean;
  at: number;
}

/** How a leader goes. */
type How = 'killed' | 'frozen';

type Word =
  | { t: 'tab'; tab: Tab }
  | { t: 'bye' | 'kill' | 'freeze' | 'thaw'; id: string }
  | { t: 'gone'; how: How }
  | { t: 'run'; on: boolean };

class Tabs {
  readonly #app: App;
  readonly #channel = new BroadcastChannel('siltdb-demo tabs');
  readonly #id = Math.random().toString(36).slice(2, 6);
  readonly #others = new Map<string, Tab>();
  #acknowledged = 0;
  #running = false;
  #frozen = false;
  #longest = 0;
  /** The leader was ended then, and nobody has answered since. */
  #goneAt: number | undefined;
  #how: How = 'killed';
  readonly #failovers: { how: How; ms: number }[] = [];
  readonly #lanes: Lanes;
  readonly #thaw: HTMLButtonElement;
  readonly #past = el('p', { class: 'note', id: 'tabs-failovers' });
  readonly #list = el('tbody');
  readonly #facts = el('dl', { class: 'figures', id: 'tabs-facts' });
  readonly #verdict = el('p', { id: 'tabs-verdict', 'aria-live': 'polite' });
  readonly #count: HTMLButtonElement;

  constructor(root: HTMLElement, app: App) {
    this.#app = app;
    this.#count = button('Count in all tabs', () => this.#toggle(!this.#running), {
      id: 'tabs-count',
      class: 'primary',
    });
    this.#thaw = button('Thaw it', () => this.#freeze('thaw'), { id: 'tabs-thaw', hidden: true });
    this.#lanes = new Lanes(app.db, SHARES, root);
    root.append(
      el(
        'div',
        { class: 'row' },
        el(
          'a',
          { class: 'button', href: '#tabs', target: '_blank', rel: 'noopener', id: 'tabs-open' },
          'Open another tab',
        ),
        this.#count,
        button('Kill the leader', () => this.#kill(), { id: 'tabs-kill' }),
        button('Freeze the leader', () => this.#freeze('freeze'), { id: 'tabs-freeze' }),
        this.#thaw,
      ),
      el(
        'div',
        { class: 'scroll', tabindex: '0', role: 'group', 'aria-label': 'Tabs' },
        el(
          'table',
          { id: 'tabs-list' },
          el(
            'thead',
            {},
            el(
              'tr',
              {},
              ...['tab', 'part'].map((name) => el('th', { scope: 'col' }, name)),
              el('th', { scope: 'col', class: 'n' }, 'increments'),
              el('th', { scope: 'col' }, 'last ten seconds'),
            ),
          ),
          this.#list,
        ),
      ),
      this.#facts,
      this.#verdict,
      this.#past,
    );
    this.#channel.onmessage = ({ data }: MessageEvent<Word>) => this.#hear(data);
    app.onRole(() => {
      this.#tell();
      this.#show();
    });
    setInterval(() => this.#beat(), TELL_MS);
    addEventListener('pagehide', () => this.#say({ t: 'bye', id: this.#id }));
    this.#tell();
    this.#show();
  }

  #say(word: Word): void {
    this.#channel.postMessage(word);
  }

  get #self(): Tab {
    return {
      id: this.#id,
      role: this.#app.db.info.role,
      acknowledged: this.#acknowledged,
      running: this.#running,
      frozen: this.#frozen,
      at: Date.now(),
    };
  }

  #tell(): void {
    this.#say({ t: 'tab', tab: this.#self });
  }

  #hear(word: Word): void {
    if (word.t === 'tab') {
      if (!this.#others.has(word.tab.id)) this.#tell();
      this.#others.set(word.tab.id, word.tab);
      this.#show();
    } else if (word.t === 'run') this.#run(word.on);
    else if (word.t === 'bye') this.#forget(word.id);
    else if (word.t === 'gone') {
      this.#gone(word.how);
      this.#ask().catch(report);
    } else if (word.id !== this.#id) return;
    else if (word.t === 'kill') this.#end();
    else this.#turn(word.t === 'freeze');
  }

  #forget(id: string): void {
    if (this.#others.delete(id)) this.#show();
  }

  #beat(): void {
    this.#tell();
    for (const { id, at, frozen } of this.#others.values()) {
      if (!frozen && Date.now() - at > GONE_MS * (document.hidden ? 20 : 1)) this.#forget(id);
    }
    if (!document.hidden) this.#show();
  }

  #toggle(on: boolean): void {
    this.#say({ t: 'run', on });
    this.#run(on);
  }

  #run(on: boolean): void {
    if (this.#running === on) return;
    this.#running = on;
    this.#count.textContent = on ? 'Stop counting' : 'Count in all tabs';
    if (on) void this.#increment().catch(report);
    this.#tell();
  }

  /** Adds one after the other, each a transaction that reads what it adds to. */
  async #increment(): Promise<void> {
    const { db } = this.#app;
    while (this.#running) {
      const began = performance.now();
      await addOne(db, this.#id);
      this.#acknowledged += 1;
      const ms = performance.now() - began;
      this.#longest = Math.max(this.#longest, ms);
      this.#answered(began);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** The leader is gone: how long is it until somebody answers? */
  #gone(how: How): void {
    this.#goneAt = performance.now();
    this.#how = how;
    this.#lanes.mark();
  }

  /** What was asked for before that may have been answered by the one that is gone. */
  #answered(asked: number): void {
    if (this.#goneAt === undefined || asked < this.#goneAt) return;
    this.#failovers.push({ how: this.#how, ms: performance.now() - this.#goneAt });
    this.#goneAt = undefined;
  }

  #leader(): string | undefined {
    const leads = ({ role, frozen }: Tab) => role !== 'follower' && !frozen;
    return [this.#self, ...this.#others.values()].find(leads)?.id;
  }

  /** Ends the worker that runs the engine, wherever it is. */
  #kill(): void {
    const leader = this.#leader();
    if (leader === undefined) throw new Error('no tab tells that it leads');
    if (leader === this.#id) this.#end();
    else this.#say({ t: 'kill', id: leader });
  }

  #end(): void {
    this.#app.worker?.terminate();
    this.#gone('killed');
    this.#say({ t: 'gone', how: 'killed' });
    say('The worker of this tab, with the engine in it, was killed.');
    void this.#ask();
  }

  /** Asks for something when nobody counts, so that the next leader is heard of. */
  async #ask(): Promise<void> {
    if (this.#running || this.#frozen) return;
    const asked = performance.now();
    await this.#app.db.get(COUNTER);
    this.#answered(asked);
    this.#show();
  }

  #freeze(what: 'freeze' | 'thaw'): void {
    const all = [...this.#others.values(), this.#self];
    const id = what === 'freeze' ? this.#leader() : all.find(({ frozen }) => frozen)?.id;
    if (id === undefined) {
      say(what === 'freeze' ? 'No tab leads just now.' : 'No tab is frozen.');
      return;
    }
    if (id === this.#id) this.#turn(what === 'freeze');
    else this.#say({ t: what, id });
  }

  /** As the browser does with a tab that is put away. */
  #turn(freeze: boolean): void {
    this.#frozen = freeze;
    const led = this.#app.db.info.role === 'leader';
    document.dispatchEvent(new Event(freeze ? 'freeze' : 'resume'));
    if (freeze && led) {
      this.#lanes.mark();
      this.#say({ t: 'gone', how: 'frozen' });
    }
    say(freeze ? 'This tab is frozen: it gave the files to another.' : 'This tab is awake again.');
    this.#tell();
    this.#show();
  }

  #show(): void {
    const tabs = [this.#self, ...this.#others.values()];
    fill(this.#list, ...tabs.map((tab) => this.#row(tab)));
    this.#thaw.hidden = !tabs.some(({ frozen }) => frozen);
    void this.#judge(tabs).catch(() => undefined);
  }

  #row({ id, role, frozen, running, acknowledged }: Tab): HTMLElement {
    const part = frozen ? 'frozen' : role;
    return el(
      'tr',
      {},
      el('th', { scope: 'row' }, id === this.#id ? `${id}, this one` : id),
      el(
        'td',
        {},
        el(
          'div',
          { class: 'row' },
          el('span', { class: 'badge', 'data-role': part }, part),
          el('span', { class: 'note' }, frozen ? '' : running ? 'counting' : 'idle'),
        ),
      ),
      el('td', { class: 'n' }, count(acknowledged)),
      el('td', { class: 'lane-cell' }, this.#lanes.of(id)),
    );
  }

  /** The counter beside what every tab was told. */
  async #judge(tabs: readonly Tab[]): Promise<void> {
    if (this.#frozen) return;
    const { counter, added, told, lost } = await compare(this.#app.db, tabs);
    const last = this.#failovers.at(-1);
    const facts: [string, string][] = [
      ['counter in the store', count(counter)],
      ['added by all tabs ever', count(added)],
      ['acknowledged to these tabs', count(told)],
      ['lost updates', count(lost)],
      ['last failover', last === undefined ? 'none yet' : length(last.ms)],
      ['longest wait for an increment', this.#longest > 0 ? length(this.#longest) : 'none yet'],
    ];
    fill(
      this.#facts,
      ...facts.map(([name, text]) => el('div', {}, el('dt', {}, name), el('dd', {}, text))),
    );
    const failovers = counted(this.#failovers.length, 'failover');
    const seen = `${counted(tabs.length, 'tab')}, ${failovers}`;
    this.#verdict.textContent =
      told === 0
        ? 'Open another tab and let them count.'
        : lost === 0
          ? `${seen}: no increment is lost.`
          : `${counted(lost, 'increment')} lost: this must not be.`;
    this.#verdict.className = lost === 0 ? 'good' : 'bad';
    const all = this.#failovers.map(({ how, ms }) => `${how}, ${length(ms)}`);
    this.#past.textContent =
      all.length === 0
        ? ''
        : `Leaders that went, and how long it took until the next one answered here: ` +
          `${all.join('; ')}.`;
  }
}

export function tabs(root: HTMLElement, app: App): void {
  new Tabs(root, app);
}
