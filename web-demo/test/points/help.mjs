// What several points need.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A number whose digits are set apart in threes. */
export const number = (text) => Number(text.replace(/\D/g, ''));

/** Waits for a file that the browser saves, all of it, and gives its text. */
export async function savedText(browser, name, whole = (text) => text.trimEnd().endsWith('}')) {
  const path = join(browser.downloads, name);
  for (const end = Date.now() + 20_000; ;) {
    const text = existsSync(path) ? readFileSync(path, 'latin1') : '';
    if (whole(text)) return text;
    assert.ok(Date.now() < end, `${name} was not saved`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
