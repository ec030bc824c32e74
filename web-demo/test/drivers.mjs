// One face for two browsers: the same tests drive Chromium and Firefox.

import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { KEYS, scratch, start, startFirefox } from '../../wasm/test/browser/browsers.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const artifacts = join(root, 'artifacts');
mkdirSync(artifacts, { recursive: true });

/** What both kinds of page can do by the means of the other methods. */
class Page {
  /** Waits until a function of the page gives something true, and gives it. */
  async until(what, run, ...args) {
    for (const end = Date.now() + 30_000; ;) {
      const found = await this.run(run, ...args).catch((e) => {
        if (Date.now() > end) throw e;
      });
      if (found) return found;
      assert.ok(Date.now() < end, `waited too long for ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** Goes to an address and waits for the panels. */
  async open(url) {
    await this.go(url);
    await this.ready();
  }

  async ready() {
    await this.until('the page', () => document.documentElement.dataset.ready);
  }

  text(selector) {
    return this.run((s) => document.querySelector(s)?.innerText ?? '', selector);
  }

  /** Waits until the text of an element matches, and gives it. */
  async see(selector, pattern) {
    const given = [selector, pattern.source, pattern.flags];
    try {
      return await this.until(
        `${selector} to say ${pattern}`,
        (s, source, flags) => {
          const text = document.querySelector(s)?.innerText ?? '';
          return new RegExp(source, flags).test(text) ? text || ' ' : undefined;
        },
        ...given,
      );
    } catch (e) {
      throw new Error(`${e.message}; it says: ${await this.text(selector)}`);
    }
  }

  /** Sets a control as a reader would, with the events that come with it. */
  set(selector, value) {
    return this.run(
      (s, v) => {
        const control = document.querySelector(s);
        control.value = v;
        control.dispatchEvent(new Event('input', { bubbles: true }));
        control.dispatchEvent(new Event('change', { bubbles: true }));
      },
      selector,
      value,
    );
  }

  theme(name) {
    return this.set('#theme', name);
  }

  /** Words in the shadow tree of the log map. */
  inside(selector) {
    return this.run((s) => {
      return (
        document.querySelector('#map silt-inspector').shadowRoot.querySelector(s)?.textContent ?? ''
      );
    }, selector);
  }
}

class ChromiumPage extends Page {
  constructor(page) {
    super();
    this.page = page;
    this.errors = [];
    page.on('console', (m) => m.type() === 'error' && this.errors.push(m.text()));
    page.on('pageerror', (e) => this.errors.push(e.message));
  }

  go(url) {
    return this.page.goto(url);
  }
  reload() {
    return this.page.reload();
  }
  run(run, ...args) {
    // The function goes as text: it has several arguments.
    return this.page.evaluate(`(${run})(...${JSON.stringify(args)})`);
  }
  inject(script) {
    return this.page.evaluate(`${script}; undefined`);
  }
  click(selector) {
    return this.page.click(selector);
  }
  async type(selector, text) {
    await this.page.fill(selector, '');
    await this.page.type(selector, text);
  }
  key(name) {
    return this.page.keyboard.press(name);
  }
  upload(selector, file) {
    return this.page.setInputFiles(selector, file);
  }
  resize(width, height) {
    return this.page.setViewportSize({ width, height });
  }
  async shot(name) {
    const path = join(artifacts, `chromium-${name}.png`);
    await this.page.screenshot({ path, fullPage: true });
  }
  async shotOf(selector, name) {
    await this.page.locator(selector).screenshot({ path: join(artifacts, `chromium-${name}.png`) });
  }
  front() {
    return this.page.bringToFront();
  }
  close() {
    return this.page.close();
  }
}

/** Chromium with a profile on disk: in a private window every access to a file is slow. */
export async function chromium() {
  const { browser, context, close } = await start(scratch());
  const downloads = scratch();
  const session = await browser.newBrowserCDPSession();
  await session.send('Browser.setDownloadBehavior', { behavior: 'allow', downloadPath: downloads });
  return {
    name: 'chromium',
    downloads,
    tab: async () => new ChromiumPage(await context.newPage()),
    close,
  };
}

class FirefoxPage extends Page {
  constructor(driver, handle, say) {
    super();
    this.driver = driver;
    this.handle = handle;
    this.say = say;
    this.errors = [];
  }

  front() {
    return this.driver.switchTo().window(this.handle);
  }
  async go(url) {
    await this.front();
    await this.driver.get(url);
  }
  /** As a reader does it: the driver's own way goes past the service worker. */
  async reload() {
    await this.run(() => {
      delete document.documentElement.dataset.ready;
      setTimeout(() => location.reload(), 0);
    });
  }
  async run(run, ...args) {
    await this.front();
    const told = await this.driver.executeAsyncScript(
      `
      const done = arguments[arguments.length - 1];
      const given = arguments[0];
      Promise.resolve().then(() => (${run})(...given)).then(
        (value) => done({ value }), (e) => done({ failed: String(e) }));
    `,
      args,
    );
    // A page that goes away answers nothing.
    if (!told || told.failed) throw new Error(told?.failed ?? 'the page went away');
    return told.value ?? undefined;
  }
  async inject(script) {
    await this.front();
    await this.driver.executeScript(`${script}; window.axe = axe;`);
  }
  async #find(selector) {
    await this.front();
    return this.driver.findElement({ css: selector });
  }
  async click(selector) {
    const element = await this.#find(selector);
    const middle = 'arguments[0].scrollIntoView({ block: "center", behavior: "instant" })';
    await this.driver.executeScript(middle, element);
    await element.click();
  }
  async type(selector, text) {
    const element = await this.#find(selector);
    await element.clear();
    await element.sendKeys(text);
  }
  async key(name) {
    await this.front();
    await this.driver.actions().sendKeys(KEYS[name.toUpperCase()]).perform();
  }
  async upload(selector, file) {
    await (await this.#find(selector)).sendKeys(file);
  }
  resize(width, height) {
    // Of the page, not of the window, which is never as narrow as a phone.
    const viewport = { width, height };
    return this.say('browsingContext.setViewport', { context: this.handle, viewport });
  }
  async shot(name) {
    await this.front();
    const context = this.handle;
    const { data } = await this.say('browsingContext.captureScreenshot', {
      context,
      origin: 'document',
    });
    writeFileSync(join(artifacts, `firefox-${name}.png`), data, 'base64');
  }
  async shotOf(selector, name) {
    const file = join(artifacts, `firefox-${name}.png`);
    writeFileSync(file, await (await this.#find(selector)).takeScreenshot(), 'base64');
  }
  async close() {
    await this.front();
    await this.driver.close();
  }
}

/** Firefox, without a window. */
export async function firefox() {
  const downloads = scratch();
  const driver = await startFirefox((options) =>
    options
      .enableBidi()
      .setPreference('browser.download.folderList', 2)
      .setPreference('browser.download.dir', downloads)
      // The reader's answer to the question whether the site may keep its data.
      .setPreference('dom.storageManager.prompt.testing', true)
      .setPreference('dom.storageManager.prompt.testing.allow', true),
  );
  await driver.manage().setTimeouts({ script: 60_000 });
  const bidi = await driver.getBidi();
  const say = async (method, params) => {
    const told = await bidi.send({ method, params });
    if (told.type === 'error') throw new Error(`${method}: ${told.message}`);
    return told.result;
  };
  const pages = new Map();
  await say('session.subscribe', { events: ['log.entryAdded'] });
  bidi.on('log.entryAdded', ({ level, text, source }) => {
    if (level === 'error') pages.get(source.context)?.errors.push(text);
  });
  return {
    name: 'firefox',
    downloads,
    tab: async () => {
      const { context } = await say('browsingContext.create', { type: 'tab' });
      const page = new FirefoxPage(driver, context, say);
      pages.set(context, page);
      return page;
    },
    close: () => driver.quit(),
  };
}

export { scratch };
