/** Many tabs on one store: who leads, what happens when it goes, and that nothing is lost. */

import type { App } from '../app.js';
import { button, el, fill, report, say } from '../dom.js';
import { count, counted, length } from '../format.js';

const PREFIX = 'tabs/';
const COUNTER = `${PREFIX}counter`;
/** What each tab has added, by its name: written together with the counter. */
const SHARES = `${PREFIX}by/`;
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

type Word = { t: 'tab'; tab: Tab } | { t: 'bye' | 'kill' | 'freeze' | 'thaw'; id: string } | { t: 'run'; on: boolean };

class Tabs {
  readonly #app: App;
  readonly #channel = new BroadcastChannel('siltdb-demo tabs');
  readonly #id = Math.random().toString(36).slice(2, 6);
  readonly #others = new Map<string, Tab>();
  #acknowledged = 0;
  #running = false;
  #frozen = false;
  #longest = 0;
  #killedAt: number | undefined;
  #failovers: number[] = [];
  readonly #list = el('tbody');
  readonly #facts = el('dl', { class: 'figures', id: 'tabs-facts' });
  readonly #verdict = el('p', { id: 'tabs-verdict', 'aria-live': 'polite' });
  readonly #count: HTMLButtonElement;

  constructor(root: HTMLElement, app: App) {
    this.#app = app;
    this.#count = button('Count in all tabs', () => this.#toggle(!this.#running), { id: 'tabs-count', class: 'primary' });
    root.append(
      el('div', { class: 'row' },
        el('a', { class: 'button', href: '#tabs', target: '_blank', rel: 'noopener', id: 'tabs-open' }, 'Open another tab'),
        this.#count,
        button('Kill the engine', () => this.#kill(), { id: 'tabs-kill' }),
        button('Freeze the leader', () => this.#freeze('freeze'), { id: 'tabs-freeze' }),
        button('Thaw', () => this.#freeze('thaw'), { id: 'tabs-thaw' })),
      el('div', { class: 'scroll', tabindex: '0', role: 'group', 'aria-label': 'Tabs' },
        el('table', { id: 'tabs-list' }, el('thead', {}, el('tr', {},
          ...['tab', 'role', 'state'].map((name) => el('th', { scope: 'col' }, name)),
          el('th', { scope: 'col', class: 'n' }, 'increments acknowledged'))), this.#list)),
      this.#facts, this.#verdict);
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
      id: this.#id, role: this.#app.db.info.role, acknowledged: this.#acknowledged, running: this.#running,
      frozen: this.#frozen, at: Date.now(),
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
    else if (word.id !== this.#id) return;
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
      await db.transaction(async (tx) => {
        for (const key of [COUNTER, SHARES + this.#id]) tx.set(key, String(Number((await tx.get(key)) ?? 0) + 1));
      }, { retries: 100 });
      this.#acknowledged += 1;
      const ms = performance.now() - began;
      this.#longest = Math.max(this.#longest, ms);
      if (this.#killedAt !== undefined && began >= this.#killedAt - 500) {
        // The first answer after the end of the leader, counted from that end.
        this.#failovers.push(performance.now() - this.#killedAt);
        this.#killedAt = undefined;
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  #leader(): string | undefined {
    if (this.#app.db.info.role !== 'follower') return this.#id;
    return [...this.#others.values()].find(({ role }) => role === 'leader')?.id;
  }

  /** Ends the worker that runs the engine, wherever it is. */
  async #kill(): Promise<void> {
    const leader = this.#leader();
    if (leader === undefined) throw new Error('no tab tells that it leads');
    const began = performance.now();
    this.#killedAt = this.#running ? began : undefined;
    if (leader === this.#id) this.#end();
    else this.#say({ t: 'kill', id: leader });
    if (!this.#running) {
      await this.#app.db.set(`${PREFIX}after`, 'written through the next leader');
      this.#failovers.push(performance.now() - began);
    }
    this.#show();
  }

  #end(): void {
    this.#app.worker?.terminate();
    say('The worker of this tab, with the engine in it, was killed.');
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
    document.dispatchEvent(new Event(freeze ? 'freeze' : 'resume'));
    say(freeze ? 'This tab is frozen: it gave the files to another.' : 'This tab is awake again.');
    this.#tell();
    this.#show();
  }

  #show(): void {
    const tabs = [this.#self, ...this.#others.values()];
    fill(this.#list, ...tabs.map((tab) => el('tr', {},
      el('th', { scope: 'row' }, tab.id === this.#id ? `${tab.id}, this one` : tab.id),
      el('td', {}, el('span', { class: 'badge', 'data-role': tab.role }, tab.role)),
      el('td', {}, tab.frozen ? 'frozen' : tab.running ? 'counting' : 'idle'),
      el('td', { class: 'n' }, count(tab.acknowledged)))));
    void this.#judge(tabs).catch(() => undefined);
  }

  /** The counter beside what every tab was told. */
  async #judge(tabs: readonly Tab[]): Promise<void> {
    if (this.#frozen) return;
    // Told first, read after, at one moment: what is added meanwhile only makes it more.
    const { db } = this.#app;
    const held = await db.snapshot();
    const [value, shares] = await Promise.all([held.get(COUNTER), held.entries({ prefix: SHARES }).all()]);
    await held.close();
    const counter = Number(value ?? 0);
    const added = shares.reduce((sum, [, share]) => sum + Number(share), 0);
    const shareOf = new Map(shares.map(([key, share]) => [key.slice(SHARES.length), Number(share)]));
    const missing = tabs.reduce((sum, { id, acknowledged }) => sum + Math.max(0, acknowledged - (shareOf.get(id) ?? 0)), 0);
    const lost = missing + Math.abs(added - counter);
    const told = tabs.reduce((sum, tab) => sum + tab.acknowledged, 0);
    const last = this.#failovers.at(-1);
    const facts: [string, string][] = [
      ['counter in the store', count(counter)],
      ['added by all tabs ever', count(added)],
      ['acknowledged to these tabs', count(told)],
      ['lost updates', count(lost)],
      ['last failover', last === undefined ? 'none yet' : length(last)],
      ['longest wait for an increment', this.#longest > 0 ? length(this.#longest) : 'none yet'],
    ];
    fill(this.#facts, ...facts.map(([name, text]) => el('div', {}, el('dt', {}, name), el('dd', {}, text))));
    this.#verdict.textContent = told === 0 ? 'Open another tab and let them count.'
      : lost === 0 ? `${counted(tabs.length, 'tab')}, ${counted(this.#failovers.length, 'failover')}: no increment is lost.`
        : `${counted(lost, 'increment')} lost: this must not be.`;
    this.#verdict.className = lost === 0 ? 'good' : 'bad';
  }
}

export function tabs(root: HTMLElement, app: App): void {
  new Tabs(root, app);
}
