import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { whyNotRecordable } from '../frame/recordable.ts';
import { FOLDER_VARIABLE, Journal } from './journal.ts';
import { mutate, ROOT } from './mutants.ts';
import type { Result } from './results.ts';
import { resultsOf, scoreOf } from './results.ts';
import { recordOf, writeRoomRecord } from './room-record.ts';
import type { Room } from './rooms.ts';
import { ROOM_VARIABLE, ROOMS } from './rooms.ts';
import { HUNG } from './exit-code.ts';
import { differences, knownSurvivors, nameOf } from './survivors.ts';

/** Ignored by git: journals and reports. */
const FOLDER = join(ROOT, '.mutation');
/** The score of a whole run, in percent, below which it fails. */
const LEAST_SCORE = 90;
const SESSION = new URL('session.ts', import.meta.url).pathname;

const HELP = `make test-mutations [ARGS="[ROOM|FILE…] [options]"]

Changes the code of the core and of the engines' statements in every small way that Stryker's mutators know, one at a
time, and runs the tests that reach the change: one of them has to fail. What survives has to stand in survivors.json
with its reason; what stands there must survive. Without names it does all rooms: ${ROOMS.map(({ name }) => name).join(', ')}.

  --list    prints the survivors that survivors.json does not have, as its entries
  --record  writes what the page shows of each room that is as survivors.json has it to test/faults/mutation/record/;
            the tree has to be clean, its commit on main
  -h, --help
`;

/** A command line that cannot be run. */
class Misuse extends Error {}

async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse(args);
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const rooms = chosen(positionals);
  if (values.record) assertRecordable(positionals);
  const results: Result[] = [];
  for (const room of rooms) {
    const tried = await runRoom(room, positionals);
    results.push(...tried);
    mkdirSync(FOLDER, { recursive: true });
    writeFileSync(join(FOLDER, `${room.name}.json`), `${JSON.stringify(tried, null, 2)}\n`);
    for (const [file, ofFile] of Map.groupBy(tried, ({ mutant }) => mutant.file)) say(lineOf(file, ofFile));
    if (values.record && isAsKnown(tried)) writeRoomRecord(recordOf(room.name, tried));
  }
  return conclude(results, values.list === true, positionals.length === 0);
}

function parse(args: readonly string[]) {
  const options = {
    list: { type: 'boolean' },
    record: { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  } as const;
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (error) {
    throw new Misuse(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

/** A record is that of a whole room. */
function assertRecordable(names: readonly string[]): void {
  const file = names.find((name) => name.endsWith('.ts'));
  if (file !== undefined) throw new Misuse(`--record needs whole rooms, and ${file} is a part of one`);
  const reason = whyNotRecordable();
  if (reason !== undefined) throw new Misuse(reason);
}

/** The rooms that are named, or that have a file that is named. */
function chosen(names: readonly string[]): readonly Room[] {
  const unknown = names.find((name) => named(name).length === 0);
  if (unknown !== undefined) throw new Misuse(`no room and no mutated file is called ${unknown}`);
  return ROOMS.filter((room) => names.length === 0 || names.some((name) => named(name).includes(room)));
}

function named(name: string): readonly Room[] {
  return ROOMS.filter((room) => room.name === name || isIn(room, name));
}

function isIn({ files }: Room, path: string): boolean {
  return files.some((glob) => path.endsWith('.ts') && glob === path.replace(/[^/]+$/, '*.ts'));
}

async function runRoom(room: Room, names: readonly string[]): Promise<readonly Result[]> {
  const folder = join(FOLDER, room.name);
  const all = await mutate(room);
  const files = names.filter((name) => isIn(room, name));
  const mutants =
    names.includes(room.name) || files.length === 0
      ? all.mutants
      : all.mutants.filter(({ file }) => files.includes(file));
  const journal = new Journal(folder);
  journal.begin({ ...all, mutants });
  say(`${room.name}: ${mutants.length} mutants`);
  const env = { ...process.env, [FOLDER_VARIABLE]: folder, [ROOM_VARIABLE]: room.name };
  for (let args = [SESSION]; ; args = [SESSION, '--resume']) {
    const session = spawn(process.execPath, args, { cwd: ROOT, env, stdio: ['ignore', 'inherit', 'inherit'] });
    const [code] = (await once(session, 'exit')) as [number | null];
    if (code === 0) return resultsOf(journal);
    if (code !== HUNG) throw new Error(`the run of ${room.name} ended with ${code}`);
  }
}

function lineOf(name: string, results: readonly Result[]): string {
  const count = (outcome: Result['outcome']) => results.filter((result) => result.outcome === outcome).length;
  const [failed, late, survived, unreached] = [
    count('failed'),
    count('timed out'),
    count('survived'),
    count('unreached'),
  ];
  const counts = `${results.length} mutants: ${failed} failed a test, ${late} timed out, ${survived + unreached} survived`;
  return `${scoreOf(results).toFixed(1).padStart(5)} % ${name}: ${counts}${unreached > 0 ? ` (${unreached} unreached)` : ''}`;
}

/** Compares the survivors with the list, prints the score, and returns the exit code. */
function conclude(results: readonly Result[], lists: boolean, isWhole: boolean): number {
  const { survived, unknown, noticed } = compared(results, isWhole);
  for (const mutant of unknown) {
    const { file, line, change } = nameOf(mutant);
    if (lists) process.stdout.write(`${JSON.stringify({ file, line, change })},\n`);
    else say(`survived: ${file}:${mutant.lineNumber}: ${line}\n    ${change}`);
  }
  for (const { file, line, change } of noticed)
    say(`in survivors.json, but noticed or gone: ${file}: ${line}\n    ${change}`);
  say(`${lineOf('in all', results)}, ${survived - unknown.length} of them for a known reason`);
  const isLow = isWhole && scoreOf(results) < LEAST_SCORE;
  if (isLow) say(`the score is below ${LEAST_SCORE} %`);
  return unknown.length + noticed.length > 0 || isLow ? 1 : 0;
}

/** How results differ from survivors.json: from all of it, or from what it has of their files. */
function compared(results: readonly Result[], isWhole: boolean) {
  const survived = results.filter(({ outcome }) => outcome === 'survived' || outcome === 'unreached');
  const files = new Set(results.map(({ mutant }) => mutant.file));
  const known = knownSurvivors().flatMap(({ mutants }) => mutants);
  const mutants = survived.map(({ mutant }) => mutant);
  const differing = differences(
    mutants,
    known.filter(({ file }) => isWhole || files.has(file)),
  );
  return { survived: survived.length, ...differing };
}

function isAsKnown(results: readonly Result[]): boolean {
  const { unknown, noticed } = compared(results, false);
  return unknown.length + noticed.length === 0;
}

function say(text: string): void {
  process.stderr.write(`test-mutations: ${text}\n`);
}

main(process.argv.slice(2)).then(
  (code) => (process.exitCode = code),
  (error: unknown) => {
    say(error instanceof Error ? error.message : String(error));
    process.exitCode = error instanceof Misuse ? 2 : 1;
  },
);
