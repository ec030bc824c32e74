/** Small helpers to make elements. */

type Props = Record<string, unknown>;
type Child = Node | string | number | undefined | false;

/**
 * An element with attributes, listeners (`onclick: ...`) and children. `class` and the like are
 * attributes; true sets an empty one, false and undefined none.
 */
export function el<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  props: Props = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === 'function') made.addEventListener(name.slice(2), value as EventListener);
    else if (value === true) made.setAttribute(name, '');
    else if (value !== false && value !== undefined) made.setAttribute(name, String(value));
  }
  made.append(...nodes(children));
  return made;
}

/** A button that cannot be pressed again while what it does goes on. */
export function button(label: string, run: () => unknown, props: Props = {}): HTMLButtonElement {
  const made = el('button', { type: 'button', ...props }, label);
  made.addEventListener('click', () => {
    const going = run();
    if (!(going instanceof Promise)) return;
    made.setAttribute('aria-disabled', 'true');
    made.inert = true;
    void going.catch(report).finally(() => {
      made.removeAttribute('aria-disabled');
      made.inert = false;
      // It lost the focus when it became inert.
      if (document.activeElement === document.body) made.focus({ preventScroll: true });
    });
  });
  return made;
}

/** A labelled control, the label before it. */
export function field(label: string, control: HTMLElement): HTMLLabelElement {
  return el('label', { class: 'field' }, el('span', {}, label), control);
}

/** A choice out of a list: `[value, text]`. */
export function choice(
  options: readonly (readonly [string, string])[],
  chosen?: string,
  props: Props = {},
): HTMLSelectElement {
  return el(
    'select',
    props,
    ...options.map(([value, text]) => el('option', { value, selected: value === chosen }, text)),
  );
}

/** Says something in the line at the foot of the page, which screen readers read out. */
export function say(text: string, bad = false): void {
  const status = document.getElementById('status');
  if (!status) return;
  status.textContent = text;
  status.classList.toggle('bad', bad);
  status.classList.add('shown');
  clearTimeout(Number(status.dataset.timer));
  status.dataset.timer = String(setTimeout(() => status.classList.remove('shown'), 6000));
}

/** Tells an error where the reader sees it. */
export function report(error: unknown): void {
  say(messageOf(error), true);
}

/** What an error says, with its code. */
export function messageOf(error: unknown): string {
  const { code, message } = error as { code?: string; message?: string };
  return code ? `${code}: ${message}` : (message ?? String(error));
}

/** Replaces what is in an element. */
export function fill(element: HTMLElement, ...children: Child[]): void {
  element.replaceChildren(...nodes(children));
}

function nodes(children: readonly Child[]): (Node | string)[] {
  return children.flatMap((child) => {
    if (child === undefined || child === false) return [];
    return [typeof child === 'number' ? String(child) : child];
  });
}

/** Whether the reader asked for no motion. */
export function still(): boolean {
  return matchMedia('(prefers-reduced-motion: reduce)').matches;
}
