import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { status } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { REASONS } from '../../src/core/errors.ts';
import { SERVE_SETTINGS } from '../../src/server/settings.ts';

const ROOT = new URL('../..', import.meta.url).pathname;
const README = readFileSync(`${ROOT}README.md`, 'utf8');

/** The cells of each row of the README's tables, without backticks. */
const ROWS = README.split('\n')
  .filter((line) => line.startsWith('|'))
  .map((line) => line.split('|').map((cell) => cell.replaceAll('`', '').trim()));

describe('README', () => {
  it.each(Object.values(SERVE_SETTINGS))('lists $flag as the schema has it', (setting) => {
    const flag = setting.flag.split(' ')[0];
    const row = ROWS.find((cells) => cells[1] === flag);
    expect(row?.slice(2, 4)).toEqual([setting.variable, setting.default]);
  });

  it('names every reason that a call can be refused for, once', () => {
    const reasons = Object.keys(REASONS);
    const statusRows = ROWS.filter((cells) => (cells[2] ?? '') in status);
    const listed = statusRows.flatMap((cells) => (cells[3] ?? '').split(', '));
    expect(listed.toSorted()).toEqual(reasons.toSorted());
  });

  it('names only files and make targets that are there', () => {
    const makefile = readFileSync(`${ROOT}Makefile`, 'utf8');
    const targets = [...README.matchAll(/\bmake ([a-z-]+)\b/g)].map((match) => match[1]!);
    expect(targets.filter((target) => !makefile.includes(`\n${target}:`))).toEqual([]);
    const links = [...README.matchAll(/\]\(([^)#]+)\)/g)]
      .map((match) => match[1]!)
      .filter((link) => !link.includes(':'));
    expect(links.filter((link) => !existsSync(`${ROOT}${link}`))).toEqual([]);
  });

  it('has a map that names every room', () => {
    const rooms = readdirSync(`${ROOT}src`).map((room) => `src/${room}/`);
    expect(rooms.filter((room) => !README.includes(`\`${room}\``))).toEqual([]);
  });
});
