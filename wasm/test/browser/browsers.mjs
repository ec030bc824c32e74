// Starts browsers of the machine with a profile on disk; the tests of the demo page use them, too.

import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { chromium } from 'playwright-core';
import { Builder, Key } from 'selenium-webdriver';
import firefox from 'selenium-webdriver/firefox.js';
import { DriverService } from 'selenium-webdriver/remote/index.js';

/** What is left to do when the process ends. */
const atExit = [];
process.on('exit', () => {
  for (const run of atExit.reverse()) run();
});
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

/** Browsers of tests that failed would keep the process alive. */
const open = new Set();
after(() => Promise.all([...open].map((kill) => kill())));

/** A folder that is removed at the end of the process. */
export function scratch() {
  const folder = mkdtempSync(join(tmpdir(), 'siltdb-browser-'));
  atExit.push(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}

/** Those of Chromium. */
const ARGS = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync',
  '--remote-debugging-port=0',
];

/** Starts Chromium on a profile, in a process group of its own so that all of it can be killed. */
export async function start(profile) {
  const program = process.env.CHROMIUM ?? 'chromium';
  const child = spawn(program, [...ARGS, `--user-data-dir=${profile}`, 'about:blank'], {
    detached: true, stdio: ['ignore', 'ignore', 'pipe'],
  });
  const exited = new Promise((resolve) => child.once('exit', resolve));
  const kill = async () => {
    try {
      process.kill(-child.pid, 'SIGKILL');
    } catch {
      // It is gone already.
    }
    await exited;
    open.delete(kill);
  };
  open.add(kill);
  atExit.push(() => void kill());
  const address = await new Promise((resolve, reject) => {
    let told = '';
    child.stderr.on('data', (bytes) => {
      told += bytes;
      const found = /DevTools listening on (ws:\S+)/.exec(told);
      if (found) resolve(found[1]);
    });
    child.once('error', reject);
    child.once('exit', () => reject(new Error(`${program} does not start: ${told}`)));
  });
  const browser = await chromium.connectOverCDP(address);
  const close = async () => {
    // It may be gone, or just going, with all that a failed test left open: then nobody answers.
    void browser.newBrowserCDPSession().then((cdp) => cdp.send('Browser.close')).catch(() => {});
    // The process does not stay for this time when the browser is gone before.
    await Promise.race([exited, new Promise((resolve) => setTimeout(resolve, 5000).unref())]);
    await kill();
  };
  return { browser, context: browser.contexts()[0], kill, close };
}

/** What Firefox calls keys by. */
export const KEYS = Key;

/** Starts Firefox; `prepare` is given its options. */
export async function startFirefox(prepare = () => {}) {
  const options = new firefox.Options().addArguments('-headless');
  options.setBinary(process.env.FIREFOX ?? '/usr/bin/firefox-esr');
  prepare(options);
  const service = new firefox.ServiceBuilder(process.env.GECKODRIVER ?? 'geckodriver');
  const driver = await new Builder()
    .forBrowser('firefox').setFirefoxOptions(options).setFirefoxService(service).build();
  await driver.manage().setTimeouts({ script: 30_000 });
  return driver;
}

/** The small browser of Debian's WebKitGTK, which is installed beside its libraries. */
function miniBrowser() {
  const places = ['/usr/lib', '/usr/libexec'].flatMap((at) => {
    return readdirSync(at).map((name) => join(at, name));
  });
  const found = places.map((at) => join(at, 'webkit2gtk-4.1/MiniBrowser')).find(existsSync);
  return process.env.MINIBROWSER ?? found;
}

/** What WebKit needs for OPFS; it then refuses it, as it does in every private window. */
const OPFS = '--features=FileSystem,AccessHandle,StorageAPI,StorageAPIEstimate';

/** Starts WebKit, on a screen that nobody sees, in the private window that is all it gives. */
export async function startWebKit() {
  const folder = scratch();
  // The socket of the screen stands in this folder, so its number is free.
  // Safari's isolated pages have shared memory; here it is asked for.
  const env = {
    ...process.env, XDG_RUNTIME_DIR: folder, HOME: folder, JSC_useSharedArrayBuffer: '1',
  };
  const web = join(folder, 'web');
  const screen = spawn('broadwayd', ['--unixsocket', web, ':1'], { env, stdio: 'ignore' });
  const service = new DriverService.Builder('WebKitWebDriver').setLoopback(true)
    .setEnvironment({ ...env, GDK_BACKEND: 'broadway', BROADWAY_DISPLAY: ':1' }).build();
  const stop = () => {
    screen.kill('SIGKILL');
    return service.kill();
  };
  open.add(stop);
  const options = { binary: miniBrowser(), args: ['--automation', OPFS] };
  const driver = await new Builder().usingServer(await service.start())
    .withCapabilities({ browserName: 'MiniBrowser', 'webkitgtk:browserOptions': options }).build();
  await driver.manage().setTimeouts({ script: 30_000 });
  return driver;
}
