import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import type { PlantedBug } from './planted-bug.ts';
import { plantedBugs } from './planted-bug.ts';
import type { Trial } from './trial.ts';
import { tryAll } from './trials.ts';

const OPTIONS = {
  jobs: { type: 'string' },
  json: { type: 'boolean' },
  suites: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;

const HELP = `make test-planted [ARGS="[NAME…] [options]"]

Plants each bug of test/faults/planted/ alone in a copy of the tree. A bug is caught if the copy still has right types, a
server still starts, and the test that the patch names fails because an expectation did not hold. A name is that of a
patch or of its folder; default: all. Types and servers are checked of all bugs together, and of each alone if that fails.

  --jobs N  so many copies at the same time; default: half of the processors
  --json    prints one JSON object per bug on standard output
  --suites  runs the whole files of the tests first, not only the tests that have to fail
`;

/** A command line that cannot be run. */
class Misuse extends Error {}

async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse(args);
  if (values.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const bugs = chosen(plantedBugs(), positionals);
  const jobs = Math.min(bugs.length, jobsOf(values.jobs) ?? Math.max(1, Math.floor(availableParallelism() / 2)));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));
  say(
    `${bugs.length} bugs in ${jobs} ${jobs === 1 ? 'copy' : 'copies'}; first the tests that they name, without any bug`,
  );
  let count = 0;
  const onTrial = (trial: Trial) => print(trial, `${++count}/${bugs.length}`, values.json === true);
  const trials = await tryAll(bugs, { jobs, areWhole: values.suites === true, onTrial });
  return conclude(trials);
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: OPTIONS, allowPositionals: true });
  } catch (error) {
    throw new Misuse(error instanceof Error ? error.message : String(error), { cause: error });
  }
}

function jobsOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^[1-9]\d?$/.test(text)) throw new Misuse(`--jobs ${text} is not a number from 1 to 99`);
  return Number(text);
}

function chosen(bugs: readonly PlantedBug[], names: readonly string[]): readonly PlantedBug[] {
  const unknown = names.find((name) => !bugs.some((bug) => bug.name === name || bug.room === name));
  if (unknown !== undefined) throw new Misuse(`no planted bug and no room is called ${unknown}`);
  return names.length === 0 ? bugs : bugs.filter(({ name, room }) => names.includes(name) || names.includes(room));
}

function print({ bug, verdict, says, seconds }: Trial, place: string, json: boolean): void {
  const { room, name, what, breaks, file, titles } = bug;
  if (json) {
    const test = [file, ...titles].join(' > ');
    process.stdout.write(`${JSON.stringify({ room, name, bug: what, breaks, test, verdict, says, seconds })}\n`);
    return;
  }
  process.stdout.write(`${place} ${verdict.padEnd(14)} ${room}/${name} (${seconds.toFixed(0)} s): ${says}\n`);
}

/** Prints the table, and returns the exit code. */
function conclude(trials: readonly Trial[]): number {
  const rooms = Map.groupBy(trials, ({ bug }) => bug.room);
  for (const [room, tried] of [...rooms].toSorted()) {
    const caught = tried.filter(({ verdict }) => verdict === 'caught').length;
    say(`${room.padEnd(12)} ${String(tried.length).padStart(3)} planted ${String(caught).padStart(3)} caught`);
  }
  const missed = trials.filter(({ verdict }) => verdict !== 'caught');
  for (const { bug, verdict, says } of missed) say(`${verdict}: ${bug.room}/${bug.name}, ${bug.what}: ${says}`);
  say(`${trials.length} bugs planted, ${trials.length - missed.length} caught by the test that they name`);
  return missed.length > 0 ? 1 : 0;
}

function say(text: string): void {
  process.stderr.write(`test-planted: ${text}\n`);
}

main(process.argv.slice(2)).then(
  (code) => (process.exitCode = code),
  (error: unknown) => {
    say(error instanceof Error ? error.message : String(error));
    process.exitCode = error instanceof Misuse ? 2 : 1;
  },
);
