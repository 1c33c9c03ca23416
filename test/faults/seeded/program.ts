import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import type { PlantedBug } from './loading/planted-bug.ts';
import type { Simulated, Simulation, Sum } from './simulate.ts';
import { MAX_SMALL, tooShortFor } from './simulate.ts';

/** One simulator, as a program offers it. */
export interface Simulator {
  /** How its own program is called, without arguments. */
  readonly command: string;
  readonly what: string;
  readonly bugs: readonly PlantedBug[];
  /** The least that a seed has, in words. */
  readonly least: string;
  /** The faults and branches that short runs cannot be expected to have. */
  readonly rare?: readonly string[];
  simulate(simulation: Simulation): Promise<Simulated>;
  missing(sum: Sum): readonly string[];
}

/** A command line that cannot be run. */
class Misuse extends Error {}

/** The program of a simulator: one seed with its trace, or many seeds with what they injected and reached. */
export async function simulatorProgram(simulator: Simulator): Promise<void> {
  try {
    await run(simulator);
  } catch (error) {
    // What parseArgs throws says what it did not expect.
    if (!(error instanceof Misuse) && !(error instanceof TypeError && 'code' in error)) throw error;
    process.stderr.write(`${simulator.command}: ${error.message}\n`);
    process.exitCode = 2;
  }
}

async function run(simulator: Simulator): Promise<void> {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string' },
      seeds: { type: 'string', default: '5000' },
      from: { type: 'string', default: '1' },
      jobs: { type: 'string', default: String(availableParallelism()) },
      planted: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help) return void process.stdout.write(helpOf(simulator));
  if (values.planted === 'list') {
    for (const { name } of simulator.bugs) process.stdout.write(`${name}\n`);
    return;
  }
  const bug = plantedBug(simulator, values.planted);
  if (values.seed !== undefined) return replay(simulator, whole('--seed', values.seed), bug);
  const counts = { seeds: whole('--seeds', values.seeds), seed: whole('--from', values.from) };
  await runAll(simulator, { ...counts, jobs: whole('--jobs', values.jobs), ...bug });
}

function helpOf({ command, what }: Simulator): string {
  return `${command} [SEED=7] [ARGS="options"]

${what}

  --seed N       replays one seed and prints what happened; a failing one is made shorter first
  --seeds N      so many seeds instead of 5,000; from 1,000 on, fails unless each fault and branch came up
  --from N       the first of them, 1 by default
  --jobs N       threads, one per processor by default
  --planted NAME with a bug of loading/planted-bugs.ts, until it is seen; --planted list names them
`;
}

async function replay(simulator: Simulator, seed: number, bug: { bug?: PlantedBug }): Promise<void> {
  const { sum, lines } = await simulator.simulate({ seed, seeds: 1, withTrace: true, ...bug });
  const [failure] = sum.failures;
  process.stdout.write(`${lines.join('\n')}\n`);
  process.stdout.write(`seed ${seed}, hash ${sum.hash.toString(16)}: ${sum.lives} lives, ${sum.calls} calls\n`);
  if (!failure) return void process.stdout.write('Every promise was kept.\n');
  process.stdout.write(`The trace is that of the shortest run with the same failure. All of them:\n`);
  for (const sentence of failure.violations) process.stdout.write(`  ${sentence}\n`);
  process.exitCode = 1;
}

async function runAll(simulator: Simulator, simulation: Simulation): Promise<void> {
  const { seed, seeds } = simulation;
  const startMs = performance.now();
  const seconds = () => (performance.now() - startMs) / 1000;
  const onProgress = ({ runs, failures }: Sum) => {
    if (process.stderr.isTTY) process.stderr.write(`\r${runs} of ${seeds} seeds, ${failures.length} failed `);
  };
  const stopsEarly = simulation.bug !== undefined;
  const { sum } = await simulator.simulate({ ...simulation, onProgress, stopsEarly });
  if (process.stderr.isTTY) process.stderr.write('\n');
  const perHour = Math.round((sum.runs / seconds()) * 3600);
  process.stdout.write(
    [
      ...table('fault', sum.injected),
      ...table('branch', sum.branches),
      `${count(sum.runs)} seeds from ${seed} in ${seconds().toFixed(0)} s, ${count(perHour)} per hour: ${count(sum.lives)} lives, ` +
        `${count(sum.calls)} calls, ${count(sum.acknowledged)} acknowledged, ${count(sum.rows)} rows`,
      ...sum.failures.map(({ seed: failed, violations }) => `${simulator.command} SEED=${failed}  ${violations[0]}`),
      '',
    ].join('\n'),
  );
  // With a planted bug it ends when the bug is seen.
  const absent = simulation.bug ? [] : simulator.missing(sum);
  const isTooShort = simulation.bug ? undefined : tooShortFor(simulator, sum.runs);
  for (const name of absent) process.stdout.write(`never came up: ${name}\n`);
  if (isTooShort !== undefined) process.stdout.write(`${isTooShort}\n`);
  if (sum.small > 0) process.stdout.write(`${sum.small} seeds had less than ${simulator.least}, and do not count\n`);
  if (sum.failures.length > 0 || absent.length > 0 || sum.small >= sum.runs * MAX_SMALL) process.exitCode = 1;
}

function plantedBug({ bugs }: Simulator, wanted: string | undefined): { bug?: PlantedBug } {
  if (wanted === undefined) return {};
  const bug = bugs.find(({ name }) => name === wanted);
  if (!bug) throw new Misuse(`no planted bug is called ${wanted}; --planted list names them`);
  return { bug };
}

function table(heading: string, counts: ReadonlyMap<string, number>): string[] {
  const names = [...counts.keys()].toSorted();
  return names.map((name) => `${heading.padEnd(7)} ${name.padEnd(58)} ${count(counts.get(name)!).padStart(12)}`);
}

function count(number: number): string {
  return number.toLocaleString('en');
}

function whole(flag: string, text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new Misuse(`${flag} is ${text}, and has to be a whole number`);
  return Number(text);
}
