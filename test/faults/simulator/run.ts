import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { PLANTED_BUGS } from './loading/planted-bugs.ts';
import type { Sum } from './simulate.ts';
import { missing, simulate } from './simulate.ts';

const HELP = `make sim [SEED=7] [ARGS="options"]

Runs the core and the client over a simulated network, disk and clock, and checks every promise.

  --seed N       replays one seed and prints what happened; a failing one is made shorter first
  --seeds N      so many seeds instead of 5,000; fails unless each fault and branch came up
  --from N       the first of them, 1 by default
  --jobs N       threads, one per processor by default
  --planted NAME with a bug of loading/planted-bugs.ts, until it is seen; --planted list names them
`;
/** From so many seeds on, each fault and each branch has to come up. */
const ENOUGH_SEEDS = 1_000;

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

if (values.help) process.stdout.write(HELP);
else if (values.planted === 'list') for (const { name } of PLANTED_BUGS) process.stdout.write(`${name}\n`);
else if (values.seed) await replay(whole('--seed', values.seed));
else await runAll();

async function replay(seed: number): Promise<void> {
  const { sum, lines } = await simulate({ seed, seeds: 1, withTrace: true, ...planted() });
  const [failure] = sum.failures;
  process.stdout.write(`${lines.join('\n')}\n`);
  process.stdout.write(`seed ${seed}, hash ${sum.hash.toString(16)}: ${sum.lives} lives, ${sum.calls} calls\n`);
  if (!failure) return;
  process.stdout.write(`The trace is that of the shortest run with the same failure. All of them:\n`);
  for (const sentence of failure.violations) process.stdout.write(`  ${sentence}\n`);
  process.exitCode = 1;
}

async function runAll(): Promise<void> {
  const [seeds, seed, jobs] = [
    whole('--seeds', values.seeds),
    whole('--from', values.from),
    whole('--jobs', values.jobs),
  ];
  const startMs = performance.now();
  const seconds = () => (performance.now() - startMs) / 1000;
  const onProgress = ({ runs, failures }: Sum) => {
    if (process.stderr.isTTY) process.stderr.write(`\r${runs} of ${seeds} seeds, ${failures.length} failed `);
  };
  const { sum } = await simulate({
    seed,
    seeds,
    jobs,
    onProgress,
    ...planted(),
    stopsEarly: values.planted !== undefined,
  });
  if (process.stderr.isTTY) process.stderr.write('\n');
  const perHour = Math.round((sum.runs / seconds()) * 3600);
  process.stdout.write(
    [
      ...table('fault', sum.injected),
      ...table('branch', sum.branches),
      `${count(sum.runs)} seeds from ${seed} in ${seconds().toFixed(0)} s, ${count(perHour)} per hour: ${count(sum.lives)} lives, ` +
        `${count(sum.calls)} calls, ${count(sum.acknowledged)} acknowledged, ${count(sum.rows)} rows`,
      ...sum.failures.map(({ seed: failed, violations }) => `make sim SEED=${failed}  ${violations[0]}`),
      '',
    ].join('\n'),
  );
  const absent = seeds >= ENOUGH_SEEDS ? missing(sum) : [];
  for (const name of absent) process.stdout.write(`never came up: ${name}\n`);
  if (sum.small > 0) process.stdout.write(`${sum.small} seeds had less than 3 lives, 200 calls or 5 faults\n`);
  if (sum.failures.length > 0 || absent.length > 0 || sum.small > 0) process.exitCode = 1;
}

function planted() {
  if (values.planted === undefined) return {};
  const bug = PLANTED_BUGS.find(({ name }) => name === values.planted);
  if (!bug) throw new Error(`no planted bug is called ${values.planted}`);
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
  if (!/^\d{1,9}$/.test(text)) throw new Error(`${flag} is ${text}, and has to be a whole number`);
  return Number(text);
}
