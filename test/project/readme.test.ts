import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { status } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import type { Reason } from '../../src/core/reasons.ts';
import { OrderError } from '../../src/core/errors.ts';
import { REASONS } from '../../src/core/reasons.ts';
import { schemaSql } from '../../src/engines/postgres/schema/schema.ts';
import { toStatus } from '../../src/server/grpc/status.ts';
import { statusOf } from '../../src/server/http/status.ts';
import { SERVE_SETTINGS } from '../../src/server/settings.ts';
import type { Document } from './documents.ts';
import { anchors, blockLines, documentAt, DOCUMENTS, links, paths, ROOT, tableRows } from './documents.ts';

const README = documentAt('README.md');
const OPERATIONS = documentAt('docs/operations.md');
const PROTOCOL = documentAt('docs/protocol.md');
/** A longer README is not read. */
const MAX_README_LINES = 150;
const MAKEFILE = readFileSync(`${ROOT}Makefile`, 'utf8');
/** The texts that people read, and those that name files and targets. */
const TEXTS = [...DOCUMENTS, ...['CONTRIBUTING.md', 'SECURITY.md', 'Makefile'].map(documentAt)];

describe('README', () => {
  it(`has ${MAX_README_LINES} lines at most`, () => {
    expect(README.text.split('\n').length - 1).toBeLessThanOrEqual(MAX_README_LINES);
  });

  it('links to every other document', () => {
    const others = DOCUMENTS.filter(({ path }) => path !== README.path).map(({ path }) => path);
    expect(others.filter((path) => !links(README).includes(path))).toEqual([]);
  });

  it('has a map that names every room', () => {
    const rooms = readdirSync(`${ROOT}src`).map((room) => `src/${room}/`);
    expect(rooms.filter((room) => !README.text.includes(`\`${room}\``))).toEqual([]);
  });
});

describe('settings in operations.md', () => {
  const rows = tableRows(OPERATIONS);

  it.each(Object.values(SERVE_SETTINGS))('$flag is listed as the schema has it', (setting) => {
    const flag = setting.flag.split(' ')[0];
    const row = rows.find((cells) => cells[1] === flag);
    expect(row?.slice(2, 4)).toEqual([setting.variable, setting.default]);
  });

  it('are accepted as the env file has them', () => {
    const settings = Object.values(SERVE_SETTINGS);
    const lines = blockLines(OPERATIONS, 'ini').map((line) => line.split('=', 2) as [string, string]);
    expect(lines.length).toBeGreaterThan(0);
    for (const [variable, value] of lines) {
      const setting = settings.find((known) => known.variable === variable);
      expect(() => setting!.parse(value)).not.toThrow();
    }
  });
});

describe('status codes in protocol.md', () => {
  const rows = tableRows(PROTOCOL).filter((cells) => (cells[2] ?? '') in status);
  const listed = rows.flatMap((cells) =>
    cells[3]!
      .split(', ')
      .map((reason) => ({ reason: reason as Reason, code: cells[2]!, http: cells[4]!, times: cells[5]! })),
  );

  it('name every reason for refusing a call once', () => {
    expect(listed.map(({ reason }) => reason).toSorted()).toEqual(Object.keys(REASONS).toSorted());
  });

  it.each(listed)('$reason is described as the transports report it', ({ reason, code, http, times }) => {
    const { code: httpCode, retryAfterSeconds } = statusOf(reason);
    const { retryMs } = REASONS[reason] as { readonly retryMs?: number };
    const seconds = retryAfterSeconds === undefined ? undefined : retryAfterSeconds * 1000;
    expect({ code, http, times }).toEqual({
      code: status[toStatus(new OrderError(reason, ''), true).code],
      // A reason that HTTP never returns has no status there.
      http: http === '' ? '' : String(httpCode),
      times: http === '' || seconds === undefined ? '' : `${inWords(retryMs)}, ${inWords(seconds)}`,
    });
  });
});

describe('grants in postgres.md', () => {
  it('are those at the end of the printed schema', () => {
    const lines = blockLines(documentAt('docs/postgres.md'), 'sql');
    expect(lines).toHaveLength(2);
    expect(lines.filter((line) => !schemaSql().includes(`-- ${line}\n`))).toEqual([]);
  });
});

describe.each(TEXTS)('$path', (document) => {
  it('has only links that work', () => {
    expect(links(document).filter((link) => !isThere(document, link))).toEqual([]);
  });

  it('names only files that exist', () => {
    // What a command removes may be gone.
    const text = document.text.replaceAll(/^\trm -rf (.*\\\n)*.*$/gm, '');
    expect(paths({ ...document, text }).filter((path) => !existsSync(`${ROOT}${path}`))).toEqual([]);
  });

  it('names only make targets that exist', () => {
    const targets = [...document.text.matchAll(/\bmake ([a-z-]+)\b(?= ARGS|[`\n])/g)].map((match) => match[1]!);
    expect(targets.filter((target) => !MAKEFILE.includes(`\n${target}:`))).toEqual([]);
  });
});

function inWords(ms: number | undefined): string {
  if (ms === undefined) return '-';
  return ms < 1000 ? `${ms} ms` : `${ms / 1000} s`;
}

/** A file, and inside a document a heading. */
function isThere(document: Document, link: string): boolean {
  const [file = '', anchor] = link.split('#', 2);
  const path = file === '' ? document.path : relative(ROOT, join(ROOT, dirname(document.path), file));
  if (!existsSync(`${ROOT}${path}`)) return false;
  return anchor === undefined || anchors(documentAt(path)).has(anchor);
}
