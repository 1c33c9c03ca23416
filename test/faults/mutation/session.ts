import { basename } from 'node:path';
import { createVitest } from 'vitest/node';
import { HUNG } from './exit-code.ts';
import { caughtIn, Journal } from './journal.ts';
import type { Mutant } from './mutants.ts';

/**
 * How long a step may take, beside six times that of the test: more than the runner waits, whose timer fires unless its
 * thread is in a loop.
 */
const HUNG_MS = 6000;
/** Near and quick tests first: most mutants are noticed by one of them, and fewer make it wait. */
const TRIES = [
  { isNear: true, maxMs: 300 },
  { isNear: false, maxMs: 20 },
  { isNear: false, maxMs: 300 },
  { isNear: false, maxMs: Number.MAX_SAFE_INTEGER },
];

/** Runs the passes of a room in one process, which a mutant may hang or break. */
async function main(): Promise<number> {
  const journal = new Journal();
  const resume = process.argv.includes('--resume');
  watch(journal);
  process.env['NODE_ENV'] = 'test';
  process.env['VITEST'] = 'true';
  const vitest = await createVitest('test', {
    config: new URL('vitest.config.ts', import.meta.url).pathname,
    watch: false,
  });
  if (!resume) {
    journal.pass = { kind: 'cover' };
    await vitest.start();
    const failed = vitest.state.getFiles().filter(({ result }) => result?.state === 'fail');
    for (const { name, result } of failed) console.error(name, result?.errors?.[0]?.message ?? '');
    if (failed.length > 0) throw new Error('tests fail without a mutant');
  }
  for (const pass of TRIES) {
    vitest.state.filesMap.clear();
    journal.pass = { kind: 'try', ...pass };
    await vitest.start();
  }
  for (const { id, file } of notYetLoaded(journal)) {
    journal.pass = { kind: 'load', id };
    // The tests of the file itself first, and then all others.
    for (const filter of [`/${basename(file, '.ts')}.test.ts`, '']) {
      if (caughtIn(journal.steps).has(id)) break;
      vitest.state.filesMap.clear();
      await vitest.start([filter]).catch(unlessNothingFound);
      const broken = vitest.state
        .getFiles()
        .find(({ result, tasks }) => result?.state === 'fail' && tasks.length === 0);
      const says = broken?.result?.errors?.[0]?.message ?? '';
      if (broken) journal.add({ caught: id, test: broken.name, how: 'failed', says });
    }
    journal.add({ loaded: id });
  }
  await vitest.close();
  return 0;
}

/** Mutants that are run outside of tests, and that no test has noticed when it ran into them. */
function notYetLoaded(journal: Journal): Mutant[] {
  const { steps, reached, room } = journal;
  const caught = caughtIn(steps);
  const done = new Set(steps.flatMap((step) => ('loaded' in step ? [step.loaded] : [])));
  const outside = new Set(reached.outside);
  return room.mutants.filter(({ id }) => outside.has(id) && !caught.has(id) && !done.has(id));
}

function unlessNothingFound(error: unknown): void {
  if (!(error instanceof Error && 'code' in error && error.code === 'VITEST_FILES_NOT_FOUND')) throw error;
}

/** This thread goes on while that of the tests hangs, or waits for its end because something of a mutant stayed. */
function watch(journal: Journal): void {
  const atStart = journal.size;
  let [size, since] = [atStart, performance.now()];
  setInterval(() => {
    if (journal.size !== size) {
      [size, since] = [journal.size, performance.now()];
      return;
    }
    const last = size > atStart ? journal.steps.at(-1) : undefined;
    if (last && 'spoiled' in last) process.exit(HUNG);
    if (!last || !('begun' in last)) return;
    const usual = journal.reached.tests[last.test]?.ms ?? 0;
    if (performance.now() - since < HUNG_MS + 6 * usual) return;
    journal.add({ hung: last.begun, test: last.test });
    process.exit(HUNG);
  }, 500).unref();
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    console.error(error);
    process.exit(1);
  },
);
