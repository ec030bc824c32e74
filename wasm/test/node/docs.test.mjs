// Whoever looks at a name of the package in an editor is told what it is.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { INTERNAL } from '../../scripts/internal.mjs';

const dist = new URL('../../dist/', import.meta.url);
const { exports } = JSON.parse(readFileSync(new URL('../package.json', dist)));
const text = (file) => readFileSync(new URL(file, dist), 'utf8');
const beside = (file, path) => new URL(path.replace(/\.js$/, '.d.ts'), new URL(file, dist)).href
  .slice(dist.href.length);

/** What a module gives: the file and name of each declaration. */
function given(file) {
  const all = [];
  const source = text(file);
  for (const [, star, list, from] of source.matchAll(
    /^export (?:type )?(?:(\*)|\{([^}]*)\})(?: from '([^']+)')?;/gm)) {
    if (!from) continue;
    const there = beside(file, from);
    if (star) all.push(...given(there));
    else {
      const names = list.split(',').map((name) => name.trim().replace(/^type /, '')).filter(Boolean);
      const found = given(there);
      all.push(...names.map((name) => found.find(([, other]) => other === name)));
    }
  }
  for (const [, name] of source.matchAll(DECLARED)) all.push([file, name]);
  return all;
}

const DECLARED =
  /^export (?:declare )?(?:abstract )?(?:class|interface|type|const|function) (\w+)/gm;
/** A member at the first level of a class or an interface. */
const MEMBER = /^ {4}(?!#private|\/?\*| |\}|private)(?:readonly |static |abstract |protected |get |set )*(\[?[\w.]+\]?)/;

/** The first line of a declaration, whether it has a comment, and the same of its members. */
function read(file, name) {
  const lines = text(file).split('\n');
  const at = lines.findIndex((line) =>
    new RegExp(`^(export )?(declare )?(abstract )?(class|interface|type|const|function) ${name}\\b`)
      .test(line));
  assert.ok(at >= 0, `${file} declares ${name}`);
  const told = (line) => lines[line - 1]?.endsWith('*/') === true;
  const members = new Map();
  for (let i = at + 1; / (class|interface) /.test(lines[at]) && lines[i] !== '}'; i += 1) {
    const member = MEMBER.exec(lines[i])?.[1];
    if (!member || /^constructor|^\[Symbol/.test(member) || members.has(member)) continue;
    if (!lines[i - 1].includes('@internal')) members.set(member, told(i));
  }
  return { head: lines[at], told: told(at), members };
}

/** What is declared without a comment: the name itself, or members of it. */
function bare([file, name], all) {
  const { head, told, members } = read(file, name);
  // What an interface says of a member is shown for a class that has it, too.
  const shown = / implements (\w+)/.exec(head)?.[1];
  const from = all.find(([, other]) => other === shown);
  const more = from ? read(...from).members : new Map();
  const missing = [...members].filter(([member, told]) => !told && !more.get(member));
  return [...(told ? [] : [name]), ...missing.map(([member]) => `${name}.${member}`)];
}

/** The declarations of the package that one is built on, whose members it has. */
function bases([file, name]) {
  // `class A<K extends B = C> extends D<K>`: what stands between brackets is no base.
  let { head } = read(file, name);
  while (/<[^<>]*>/.test(head)) head = head.replace(/<[^<>]*>/g, '');
  const names = / extends ([^{]+)/.exec(head)?.[1].match(/\b[A-Z]\w+/g) ?? [];
  return names.flatMap((base) => {
    const source = text(file);
    const from = [...source.matchAll(/^import [^;]*?\{([^}]*)\} from '(\.[^']+)'/gm)]
      .find(([, list]) => new RegExp(`\\b${base}\\b`).test(list))?.[2];
    const there = from ? beside(file, from) : file;
    if (!new RegExp(` (class|interface) ${base}\\b`).test(text(there))) return [];
    return [[there, base], ...bases([there, base])];
  });
}

/** All that the entries give, and what it is built on. */
function everything() {
  const entries = JSON.stringify(exports).match(/[\w/-]+\.d\.ts/g)
    .map((path) => path.replace('/dist/', ''));
  const named = entries.flatMap(given).flatMap((one) => [one, ...bases(one)])
    .map((one) => [one.join(' '), one]);
  return [...new Map(named).values()];
}

test('every public name and member has a comment of its own', () => {
  const all = everything();
  assert.ok(all.length > 60, `${all.length} names`);
  assert.deepEqual(all.flatMap((one) => bare(one, all)), []);
});

test('what callers and other threads see is not shortened in what a page loads', () => {
  const members = everything().flatMap((one) => [...read(...one).members.keys()]);
  const told = ['storage', 'transport', 'tabs', 'figures'].flatMap((file) => (
    [...text(`${file}.d.ts`).matchAll(/(\w+)\??[:(]/g)].map(([, name]) => name)));
  const seen = [...new Set([...members, ...told])];
  assert.ok(seen.includes('settle') && seen.includes('getMany') && seen.includes('lock'));
  assert.deepEqual(seen.filter((name) => INTERNAL.test(name)), []);
});
