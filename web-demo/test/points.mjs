// What a reader can do with the page, and sees: each panel once, in the browser that is given.

import { after, before, describe, test } from 'node:test';
import { serve } from '../scripts/serve.mjs';
import { exchange } from './points/exchange.mjs';
import { reading } from './points/reading.mjs';
import { trials } from './points/trials.mjs';
import { whole } from './points/whole.mjs';

/** Registers the tests on a browser that `launch` starts: one store for all of them. */
export function points(launch) {
  describe(`the page in ${launch.name}`, () => tests(launch));
}

function tests(launch) {
  let server, browser, page;

  before(async () => {
    server = await serve();
    browser = await launch();
    page = await browser.tab();
    await page.resize(1280, 800);
    await page.open(server.url);
  });
  after(async () => {
    await browser?.close();
    await server?.close();
  });

  /** The number beside a name in a list of figures. */
  const figure = (root, name) =>
    page.run(
      (root, name) => {
        const found = [...document.querySelectorAll(`${root} dt`)].find(
          (dt) => dt.textContent === name,
        );
        return found?.nextElementSibling?.textContent ?? '';
      },
      root,
      name,
    );

  const point = (title, run) => test(title, () => run({ page, browser, server, figure }));
  for (const part of [reading, trials, exchange, whole]) part(point);
}
