import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, globSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { RunRecord } from './frame/record.ts';
import { RECORDS } from './frame/record.ts';
import { whyNotRecordable } from './frame/recordable.ts';
import { countsText } from './frame/tally.ts';
import type { Lab } from './labs.ts';
import { labs } from './labs.ts';

const ROOT = new URL('../..', import.meta.url).pathname;
const VITEST = join(ROOT, 'node_modules/vitest/vitest.mjs');
const MAX_SEED = 1_000_000;
/** Labs wait for the processes that they start; more would wait for each other. */
const MAX_WORKERS = '2';

const OPTIONS = {
  rounds: { type: 'string' },
  seed: { type: 'string' },
  test: { type: 'string' },
  json: { type: 'boolean' },
  record: { type: 'boolean' },
  add: { type: 'boolean' },
  page: { type: 'boolean' },
  counts: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
} as const;

const HELP = `make test-faults [ARGS="[LAB…] [options]"]

Runs the tests of these labs, or of all, in their long form: faults under load, and checks against every promise.

  --rounds N   so many rounds of each test, instead of its own long number
  --seed S     repeats what is random in a run; default: another one each time, printed
  --test NAME  only tests whose name contains this
  --json       prints one JSON object per test on standard output
  --record     writes what the page shows to test/faults/record/; the tree has to be clean, its commit on main
  --add        records beside runs of the same tests with other seeds, not in their place
  --page       runs nothing: writes what is recorded into docs/reliability.md and docs/reliability-record.md
  --counts C   runs nothing: prints how many tests there are at commit C, and how many name each promise

Labs:
`;

/** A command line that cannot be run. */
class Misuse extends Error {}

async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse(args);
  const known = labs();
  if (values.help) {
    const width = Math.max(...known.map(({ name }) => name.length));
    process.stdout.write(HELP + known.map(({ name, what }) => `  ${name.padEnd(width)}  ${what}\n`).join(''));
    return 0;
  }
  if (values.page) {
    // Prettier takes longer to load than all else here.
    const { writePages } = await import('./page.ts');
    await writePages();
    return 0;
  }
  if (values.counts !== undefined) {
    const { countsAt, countsRow } = await import('./pages/counts.ts');
    process.stdout.write(`${countsRow(countsAt(values.counts))}\n`);
    return 0;
  }
  const chosen = positionals.length === 0 ? known : positionals.map((name) => labNamed(name, known));
  const seed = wholeNumber('--seed', values.seed) ?? 1 + Math.floor(Math.random() * MAX_SEED);
  const rounds = wholeNumber('--rounds', values.rounds);
  const reason = values.record ? whyNotRecordable() : undefined;
  if (reason !== undefined) throw new Misuse(reason);

  const temporary = mkdtempSync(join(tmpdir(), 'test-faults-'));
  const folder = join(temporary, 'record');
  try {
    process.stderr.write(`test-faults: ${chosen.map(({ name }) => name).join(' ')}, seed ${seed}\n`);
    const { exitCode, ran, failed } = await runTests(chosen, values.test, join(temporary, 'tests.json'), {
      FAULTS: 'long',
      FAULTS_SEED: String(seed),
      FAULTS_ROUNDS: rounds === undefined ? '' : String(rounds),
      FAULTS_RECORD: folder,
      FAULTS_RECORD_NAME: values.add ? 'seed' : '',
    });
    report(folder, values.json === true);
    // Each of them held, whatever became of the others.
    if (values.record && existsSync(folder)) cpSync(folder, RECORDS, { recursive: true });
    for (const name of failed) process.stderr.write(`test-faults: failed: ${name}\n`);
    if (ran === 0) throw new Misuse(`no test of these labs has a name that contains ${values.test}`);
    return exitCode;
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new Misuse(message.replaceAll('\n', ' '), { cause: error });
  }
}

function labNamed(name: string, known: readonly Lab[]): Lab {
  const lab = known.find((each) => each.name === name);
  if (!lab) throw new Misuse(`no lab is called ${name}; the labs are: ${known.map((each) => each.name).join(', ')}`);
  return lab;
}

function wholeNumber(flag: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new Misuse(`${flag} is ${text}, and has to be a whole number above 0`);
  return Number(text);
}

/** What vitest says of a run. */
interface Results {
  readonly numPassedTests: number;
  readonly testResults: readonly { readonly assertionResults: readonly { fullName: string; status: string }[] }[];
}

/** Runs the tests of these labs, with what vitest finds in `results`. */
async function runTests(
  chosen: readonly Lab[],
  test: string | undefined,
  results: string,
  env: Readonly<Record<string, string>>,
) {
  const args = [VITEST, 'run', '--project', 'plain', '--project', 'tools', '--maxWorkers', MAX_WORKERS];
  args.push('--reporter', 'default', '--reporter', 'json', '--outputFile', results);
  if (test !== undefined) args.push('-t', test.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`));
  const child = spawn(process.execPath, [...args, ...chosen.flatMap(({ tests }) => tests)], {
    cwd: ROOT,
    env: { ...process.env, ...env },
    // Standard output is for --json.
    stdio: ['ignore', 2, 2],
  });
  // The terminal sends it to both; the child ends by itself.
  process.on('SIGINT', () => {});
  const [exitCode] = (await once(child, 'close')) as [number | null];
  if (!existsSync(results)) return { exitCode: exitCode ?? 1, ran: undefined, failed: [] };
  const { numPassedTests, testResults } = JSON.parse(readFileSync(results, 'utf8')) as Results;
  const tests = testResults.flatMap(({ assertionResults }) => assertionResults);
  const failed = tests.filter(({ status }) => status === 'failed').map(({ fullName }) => fullName);
  return { exitCode: exitCode ?? 1, ran: numPassedTests + failed.length, failed };
}

function report(folder: string, asJson: boolean): void {
  const records = globSync('**/*.json', { cwd: folder })
    .toSorted()
    .map((path) => JSON.parse(readFileSync(join(folder, path), 'utf8')) as RunRecord);
  for (const record of records) {
    const { lab, test, counts, controls } = record;
    const red = Object.keys(controls).length;
    const line = `${lab}: ${countsText(counts)}, ${red} controls red: ${test}`;
    process.stdout.write(`${asJson ? JSON.stringify(record) : line}\n`);
  }
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof Misuse)) throw error;
  process.stderr.write(`test-faults: ${error.message}\n`);
  process.exitCode = 2;
}
