/** How a lab's tests run: in their short form, which is part of `make test`, or as `make test-faults` says. */
export interface FaultRun {
  /** The folder of test/faults/. */
  readonly lab: string;
  readonly rounds: number;
  /** Decides whatever is random in a run; the same one repeats it. */
  readonly seed: number;
  /** Whether `make test-faults` asked for it. */
  readonly isLong: boolean;
}

/** How many rounds a test has in either form; `make test-faults ARGS="LAB --rounds N"` has its own number. */
export interface Rounds {
  readonly short: number;
  readonly long: number;
}

const SHORT_SEED = 1;
const SHORT_LIMIT_MS = 120_000;
const LONG_LIMIT_MS = 12 * 3_600_000;

/** The run that the environment asks for: FAULTS=long, FAULTS_ROUNDS and FAULTS_SEED, which test/faults/run.ts sets. */
export function faultRun(lab: string, rounds: Rounds): FaultRun {
  const isLong = process.env['FAULTS'] === 'long';
  return {
    lab,
    rounds: wholeNumber('FAULTS_ROUNDS') ?? (isLong ? rounds.long : rounds.short),
    seed: wholeNumber('FAULTS_SEED') ?? SHORT_SEED,
    isLong,
  };
}

/** The time limit of a test, for vitest: its third argument. A hanging test still ends. */
export function timeoutMs({ isLong }: FaultRun): number {
  return isLong ? LONG_LIMIT_MS : SHORT_LIMIT_MS;
}

function wholeNumber(variable: string): number | undefined {
  const text = process.env[variable];
  if (text === undefined || text === '') return undefined;
  if (!/^\d{1,9}$/.test(text)) throw new Error(`${variable} is ${text}, and has to be a whole number`);
  return Number(text);
}
