import { spawnSync } from 'node:child_process';
import { parseAst } from 'vitest/node';
import { number } from './markdown.ts';
import { promisesIn } from './promises.ts';

const ROOT = new URL('../../..', import.meta.url).pathname;
const PROMISES = 10;
const MAX_BYTES = 256 * 2 ** 20;

/** How many tests there were at a commit, and how many of them name each promise in their titles. */
export interface TestCounts {
  readonly date: string;
  readonly commit: string;
  readonly tests: number;
  /** The tests that name each of P1 to P10. */
  readonly promises: readonly number[];
}

/** Counts tests as they are written: a row of a table of tests is none of its own. */
export function countsAt(commit: string): TestCounts {
  const shown = git(['show', '--no-patch', '--format=%cs %h', '--abbrev=9', commit]);
  const [date = '', short = ''] = shown.toString().trim().split(' ');
  const promises = Array.from({ length: PROMISES }, () => 0);
  let tests = 0;
  for (const title of testFilesAt(commit).flatMap(titlesIn)) {
    tests++;
    for (const promise of promisesIn(title)) promises[promise - 1]!++;
  }
  return { date, commit: short, tests, promises };
}

/** The row of the table in docs/reliability.md. */
export function countsRow({ date, commit, tests, promises }: TestCounts): string {
  return `| ${[date, commit, number(tests), ...promises.map(number)].join(' | ')} |`;
}

type Node = Readonly<Record<string, unknown>>;

/** The titles of the tests in a file, those of a table as they are written. */
export function titlesIn(code: string): readonly string[] {
  const titles: string[] = [];
  const visit = (node: unknown): void => {
    if (Array.isArray(node)) node.forEach(visit);
    if (!isNode(node)) return;
    const title = titleOf(node);
    if (title !== undefined) titles.push(title);
    Object.values(node).forEach(visit);
  };
  visit(parseAst(code, { lang: 'ts' }));
  return titles;
}

/** The title of `it('title', …)` or `it.each(table)('title', …)`; undefined for anything else. */
function titleOf({ type, callee, arguments: given }: Node): string | undefined {
  const [title, body] = (given ?? []) as readonly Node[];
  if (type !== 'CallExpression' || !title || !body || !isOfTests(callee)) return undefined;
  if (title['type'] === 'Literal') return String(title['value']);
  const quasis = (title['quasis'] ?? []) as readonly { readonly value: { readonly cooked: string } }[];
  return quasis.map(({ value }) => value.cooked).join(' ');
}

function isOfTests(callee: unknown): boolean {
  if (!isNode(callee)) return false;
  if (callee['type'] === 'Identifier') return callee['name'] === 'it';
  return isOfTests(callee['type'] === 'MemberExpression' ? callee['object'] : callee['callee']);
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Every TypeScript file of test/ that may have tests, as text. */
function testFilesAt(commit: string): readonly string[] {
  // Each line is `COMMIT:PATH`.
  const paths = git(['grep', '--name-only', '-E', String.raw`\bit[(.]`, commit, '--', 'test/*.ts']).toString();
  const batch = git(['cat-file', '--batch'], paths);
  const files: string[] = [];
  for (let at = 0; at < batch.length;) {
    const headEnd = batch.indexOf('\n', at);
    const bytes = Number(batch.toString('latin1', at, headEnd).split(' ')[2]);
    files.push(batch.toString('utf8', headEnd + 1, headEnd + 1 + bytes));
    at = headEnd + 1 + bytes + 1;
  }
  return files;
}

function git(args: readonly string[], input = ''): Buffer {
  const { stdout, stderr, status } = spawnSync('git', args, { cwd: ROOT, input, maxBuffer: MAX_BYTES });
  if (status !== 0) throw new Error(`git ${args[0]} failed: ${stderr}`);
  return stdout;
}
