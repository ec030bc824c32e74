/** The console: a prompt with history and completion, and scripts that travel in an address. */

import type { App } from '../../app.js';
import { button, el, fill, messageOf, say } from '../../dom.js';
import { clock, length } from '../../format.js';
import { offersFor, shared } from './complete.js';
import { Runner } from './run.js';
import { cutWords } from './words.js';

const HASH = '#run=';
const EXAMPLE = `# What a key was, and is
set river Elbe
set river Vltava
history river
batch {"op":"set","key":"lake","value":"Lipno"} {"op":"delete","key":"river"}
diff --from '10s ago'
count
`;

/** The script that the address of the page carries. */
function scriptInAddress(): string | undefined {
  if (!location.hash.startsWith(HASH)) return undefined;
  try {
    return decodeURIComponent(location.hash.slice(HASH.length));
  } catch {
    return undefined;
  }
}

class Console {
  readonly #app: App;
  readonly #runner: Runner;
  readonly #log = el('div', {
    class: 'log',
    role: 'log',
    tabindex: '0',
    'aria-label': 'What was printed',
    id: 'console-log',
  });
  readonly #offers = el('div', { class: 'offers', 'aria-live': 'polite' });
  readonly #prompt = el('label', { for: 'console-line', class: 'prompt' }, 'silt>');
  readonly #line = el('input', {
    type: 'text',
    id: 'console-line',
    spellcheck: 'false',
    autocapitalize: 'off',
    autocomplete: 'off',
    placeholder: 'scan --prefix char/U+1F60 --limit 5',
  });
  readonly #script = el('textarea', {
    rows: 8,
    spellcheck: 'false',
    'aria-label': 'Script',
    id: 'console-script',
  });
  readonly #given = el(
    'p',
    { class: 'note' },
    'This script came with the address. It has not been run.',
  );
  readonly #typed: string[] = [];
  #recall = 0;
  #turn: Promise<void> = Promise.resolve();

  constructor(root: HTMLElement, app: App) {
    this.#app = app;
    this.#runner = new Runner(app.db);
    const form = el(
      'form',
      { class: 'line' },
      this.#prompt,
      this.#line,
      el('button', { type: 'submit' }, 'Run'),
    );
    form.addEventListener('submit', (e) => {
      e.preventDefault();
      const line = this.#line.value;
      this.#line.value = '';
      fill(this.#offers);
      this.#typed.push(line);
      this.#recall = this.#typed.length;
      this.#turn = this.#turn.then(() => this.#run(line)).then(() => undefined);
    });
    this.#line.addEventListener('keydown', (e) => this.#pressed(e));
    const given = scriptInAddress();
    this.#script.value = given ?? EXAMPLE;
    const details = el(
      'details',
      { open: given !== undefined },
      el('summary', {}, 'Script'),
      given === undefined ? undefined : this.#given,
      this.#script,
      el(
        'div',
        { class: 'row' },
        button('Run this script', () => this.#runScript(), { class: 'primary', id: 'console-run' }),
        button('Link to this script', () => this.#link(), { id: 'console-link' }),
        button('Take what I typed', () => {
          this.#script.value = `${this.#typed.join('\n')}\n`;
        }),
      ),
    );
    root.append(el('div', { class: 'terminal' }, this.#log, form, this.#offers), details);
    this.#print(
      'note',
      'help lists the commands; Tab completes; try: scan --prefix char/U+1F60 --limit 5',
    );
    if (given !== undefined) document.getElementById('console')?.scrollIntoView();
  }

  #print(kind: string, text: string): void {
    // What stands in columns is aligned by the tabs of the style sheet.
    this.#log.append(el('div', { class: kind }, text));
    while (this.#log.childElementCount > 2000) this.#log.firstElementChild?.remove();
    this.#log.scrollTop = this.#log.scrollHeight;
  }

  /** Runs one line; whether it went well. */
  async #run(line: string): Promise<boolean> {
    const { words, wants } = cutWords(line);
    this.#print('typed', `${this.#prompt.textContent} ${line}`);
    if (words.length === 0) return true;
    if (words[0]?.text === 'clear') {
      fill(this.#log);
      return true;
    }
    const began = performance.now();
    try {
      if (wants !== undefined) throw new Error(`the line wants a ${wants}`);
      for (const text of await this.#runner.run(words.map(({ text }) => text)))
        this.#print('out', text);
      this.#print('took', length(performance.now() - began));
      this.#app.changed();
      return true;
    } catch (e) {
      this.#print('bad', messageOf(e));
      return false;
    } finally {
      const { at } = this.#runner;
      this.#prompt.textContent = at === undefined ? 'silt>' : `silt at ${clock(at)}>`;
    }
  }

  async #runScript(): Promise<void> {
    this.#given.remove();
    // Line by line; one that wants its end goes on in the next.
    let line = '';
    for (const part of this.#script.value.split('\n')) {
      line = line ? `${line}\n${part}` : part;
      if (cutWords(line).wants !== undefined) continue;
      if (cutWords(line).words.length > 0 && !(await this.#run(line))) return;
      line = '';
    }
    if (line.trim() !== '') await this.#run(line);
  }

  async #link(): Promise<void> {
    const address = new URL(location.href);
    address.hash = `${HASH}${encodeURIComponent(this.#script.value)}`;
    history.replaceState(null, '', address);
    try {
      await navigator.clipboard.writeText(address.href);
      say('The address with this script is copied, and stands in the address bar.');
    } catch {
      say('The address bar now holds the address with this script.');
    }
  }

  #pressed(e: KeyboardEvent): void {
    if (e.key === 'ArrowUp' || e.key === 'ArrowDown') {
      const to = this.#recall + (e.key === 'ArrowUp' ? -1 : 1);
      if (to < 0 || to > this.#typed.length) return;
      e.preventDefault();
      this.#recall = to;
      this.#line.value = this.#typed[to] ?? '';
    } else if (e.key === 'Tab' && !e.shiftKey && this.#line.value !== '') {
      // An empty line lets the focus go on: nobody is held here.
      e.preventDefault();
      void this.#complete();
    } else if (e.key === 'Escape') fill(this.#offers);
  }

  async #complete(): Promise<void> {
    const line = this.#line.value;
    const { start, words } = await offersFor(this.#app.db, line);
    if (this.#line.value !== line) return;
    if (words.length === 0) {
      fill(this.#offers, el('span', { class: 'note' }, 'nothing to complete'));
      return;
    }
    const only = words.length === 1;
    const longest = shared(words);
    if (only || longest.length > line.length - start) {
      this.#line.value = line.slice(0, start) + longest + (only ? ' ' : '');
    }
    fill(
      this.#offers,
      ...(only
        ? []
        : words.map((word) =>
            button(
              word,
              () => {
                this.#line.value = `${line.slice(0, start)}${word} `;
                fill(this.#offers);
                this.#line.focus();
              },
              { class: 'chip mono' },
            ),
          )),
    );
  }
}

export function consolePanel(root: HTMLElement, app: App): void {
  new Console(root, app);
}
