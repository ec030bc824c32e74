// One face for two browsers: the same tests drive Chromium and Firefox.

import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { scratch, start } from '../../wasm/test/browser/harness.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const artifacts = join(root, 'artifacts');
mkdirSync(artifacts, { recursive: true });

/** What both kinds of page can do by the means of the other methods. */
class Page {
  /** Waits until a function of the page gives something true, and gives it. */
  async until(what, run, ...args) {
    for (const end = Date.now() + 30_000; ; ) {
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
    await this.collect();
  }

  text(selector) {
    return this.run((s) => document.querySelector(s)?.innerText ?? '', selector);
  }

  /** Waits until the text of an element matches, and gives it. */
  async see(selector, pattern) {
    const given = [selector, pattern.source, pattern.flags];
    try {
      return await this.until(`${selector} to say ${pattern}`, (s, source, flags) => {
        const text = document.querySelector(s)?.innerText ?? '';
        return new RegExp(source, flags).test(text) ? text || ' ' : undefined;
      }, ...given);
    } catch (e) {
      throw new Error(`${e.message}; it says: ${await this.text(selector)}`);
    }
  }

  /** Sets a control as a reader would, with the events that come with it. */
  set(selector, value) {
    return this.run((s, v) => {
      const control = document.querySelector(s);
      control.value = v;
      control.dispatchEvent(new Event('input', { bubbles: true }));
      control.dispatchEvent(new Event('change', { bubbles: true }));
    }, selector, value);
  }

  theme(name) {
    return this.set('#theme', name);
  }

  /** Words in the shadow tree of the log map. */
  inside(selector) {
    return this.run((s) => {
      return document.querySelector('#map silt-inspector').shadowRoot.querySelector(s)?.textContent ?? '';
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

  go(url) { return this.page.goto(url); }
  reload() { return this.page.reload(); }
  async collect() {}
  run(run, ...args) {
    // The function goes as text: it has several arguments.
    return this.page.evaluate(`(${run})(...${JSON.stringify(args)})`);
  }
  inject(script) { return this.page.evaluate(`${script}; undefined`); }
  click(selector) { return this.page.click(selector); }
  async type(selector, text) {
    await this.page.fill(selector, '');
    await this.page.type(selector, text);
  }
  key(name) { return this.page.keyboard.press(name); }
  upload(selector, file) { return this.page.setInputFiles(selector, file); }
  resize(width, height) { return this.page.setViewportSize({ width, height }); }
  async shot(name) {
    await this.page.screenshot({ path: join(artifacts, `chromium-${name}.png`) });
  }
  async shotOf(selector, name) {
    await this.page.locator(selector).screenshot({ path: join(artifacts, `chromium-${name}.png`) });
  }
  front() { return this.page.bringToFront(); }
  close() { return this.page.close(); }
}

/** Chromium with a profile on disk: in a private window every access to a file is slow. */
export async function chromium() {
  const { context, close } = await start(scratch());
  return {
    name: 'chromium',
    tab: async () => new ChromiumPage(await context.newPage()),
    close,
  };
}

class FirefoxPage extends Page {
  constructor(driver, handle, keys) {
    super();
    this.driver = driver;
    this.handle = handle;
    this.keys = keys;
    this.errors = [];
  }

  front() { return this.driver.switchTo().window(this.handle); }
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
  /** From here on errors of the page are kept where they can be asked for. */
  async collect() {
    await this.run(() => {
      window.siltErrors = [];
      const keep = (text) => window.siltErrors.push(String(text));
      addEventListener('error', (e) => keep(e.message));
      addEventListener('unhandledrejection', (e) => keep(e.reason));
      console.error = (...words) => keep(words.join(' '));
    });
  }
  async run(run, ...args) {
    await this.front();
    const told = await this.driver.executeAsyncScript(`
      const done = arguments[arguments.length - 1];
      const given = arguments[0];
      Promise.resolve().then(() => (${run})(...given)).then(
        (value) => done({ value, errors: (window.siltErrors ?? []).splice(0) }),
        (e) => done({ failed: String(e) }));
    `, args);
    if (told.failed) throw new Error(told.failed);
    this.errors.push(...told.errors);
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
    const key = { Enter: 'ENTER', Tab: 'TAB', End: 'END' }[name];
    await this.driver.actions().sendKeys(this.keys[key]).perform();
  }
  async upload(selector, file) { await (await this.#find(selector)).sendKeys(file); }
  async resize(width, height) {
    await this.front();
    await this.driver.manage().window().setRect({ width, height });
  }
  async shot(name) {
    await this.front();
    const file = join(artifacts, `firefox-${name}.png`);
    writeFileSync(file, await this.driver.takeScreenshot(), 'base64');
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
  // Its driver stands beside the tests of the npm package.
  const at = (path) => {
    return pathToFileURL(join(root, '../wasm/node_modules/selenium-webdriver', path)).href;
  };
  const { default: selenium } = await import(at('index.js'));
  const { default: gecko } = await import(at('firefox.js'));
  const options = new gecko.Options().addArguments('-headless')
    // The reader's answer to the question whether the site may keep its data.
    .setPreference('dom.storageManager.prompt.testing', true)
    .setPreference('dom.storageManager.prompt.testing.allow', true)
    .setPreference('browser.download.folderList', 2)
    .setPreference('browser.download.dir', scratch());
  options.setBinary(process.env.FIREFOX ?? '/usr/bin/firefox-esr');
  const service = new gecko.ServiceBuilder(process.env.GECKODRIVER ?? 'geckodriver');
  const driver = await new selenium.Builder()
    .forBrowser('firefox').setFirefoxOptions(options).setFirefoxService(service).build();
  await driver.manage().setTimeouts({ script: 60_000 });
  let first = await driver.getWindowHandle();
  return {
    name: 'firefox',
    tab: async () => {
      if (!first) await driver.switchTo().newWindow('tab');
      const handle = first ?? (await driver.getWindowHandle());
      first = undefined;
      return new FirefoxPage(driver, handle, selenium.Key);
    },
    close: () => driver.quit(),
  };
}

export { scratch };
