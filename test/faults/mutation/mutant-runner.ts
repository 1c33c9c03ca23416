import { basename, relative } from 'node:path';
import type { RunnerTask, RunnerTestCase, RunnerTestFile } from 'vitest';
import { TestRunner } from 'vitest';
import type { ReachedMutants } from './journal.ts';
import { caughtIn, Journal } from './journal.ts';

/** Where Stryker's instrumenter has them. */
const NAMESPACE = '__stryker__';

/** What the switches of the instrumented code read and count. */
interface Switches {
  activeMutant: string | undefined;
  currentTestId: string | undefined;
  hitCount: number | undefined;
  hitLimit: number | undefined;
  mutantCoverage?: { static: Record<string, number>; perTest: Record<string, Record<string, number>> };
}

type Try = Parameters<TestRunner['onAfterRetryTask']>[1];

/** What a test may take: this, plus this many times what it takes without a mutant. The machine may have other work. */
const PATIENCE_MS = 2000;
const PATIENCE = 3;
/** A mutant that runs this many times as often as the code without it is in an endless loop. */
const MORE_HITS = 100;
const NONE = 'none';
/** Tests may use the clock of a mock. */
const { setTimeout, clearTimeout } = globalThis;
const now = performance.now.bind(performance);

/**
 * Runs the tests of one thread with many mutants: a mutant costs no more than the tests that reach it. Vitest repeats a
 * test, with its hooks, as often as `repeats` says; each time another mutant is switched on.
 */
export default class MutantRunner extends TestRunner {
  readonly #journal = new Journal();
  readonly #pass = this.#journal.pass;
  readonly #reached: ReachedMutants = this.#pass.kind === 'cover' ? { tests: {}, outside: [] } : this.#journal.reached;
  readonly #caught = new Set(caughtIn(this.#journal.steps).keys());
  readonly #survived = new Set(
    this.#journal.steps.flatMap((step) => ('survived' in step ? [`${step.survived} ${step.test}`] : [])),
  );
  /** A test that does not hold twice is left out. */
  readonly #spoiled = Map.groupBy(
    this.#journal.steps.flatMap((step) => ('spoiled' in step ? [step.spoiled] : [])),
    (key) => key,
  );
  /** The mutants by their ids. */
  readonly #mutants = new Map(this.#journal.room.mutants.map((mutant) => [mutant.id, mutant]));
  readonly #switches = ((globalThis as unknown as Record<string, Switches>)[NAMESPACE] ??= {} as Switches);
  readonly #durations = new Map<string, number>();
  /** The mutants that the test at hand is to be tried with. */
  #waiting: string[] = [];
  /** What is switched on in this repetition; 'none' to see that the test still holds, undefined when all is done. */
  #now: string | undefined;
  /** The mutants that the test has noticed since it was last seen to hold. */
  #unsure: string[] = [];
  #mustHold = false;
  #noticed: { readonly how: 'failed' | 'timed out'; readonly says: string } | undefined;

  constructor(config: ConstructorParameters<typeof TestRunner>[0]) {
    super(config);
    this.#switches.activeMutant = this.#pass.kind === 'load' ? this.#pass.id : undefined;
    this.#switches.hitCount = undefined;
  }

  override async onBeforeRunTask(test: RunnerTask): Promise<void> {
    await super.onBeforeRunTask(test);
    if (test.type !== 'test') return;
    if (this.#pass.kind === 'load' && this.#caught.has(this.#pass.id)) test.mode = 'skip';
    if (this.#pass.kind !== 'try') return;
    const { hits, ms } = this.#reached.tests[keyOf(test)] ?? { hits: {}, ms: 0 };
    const { maxMs, isNear } = this.#pass;
    const isTurn = ms <= maxMs;
    const own = `/${basename(test.file.filepath, '.test.ts')}.ts`;
    this.#waiting = isTurn ? Object.keys(hits).filter((id) => this.#isOpen(id, test, isNear ? own : '')) : [];
    // Each mutant may be followed by a repetition without one; what is left of them does nothing.
    test.repeats = 2 * this.#waiting.length;
    if (this.#waiting.length === 0) test.mode = 'skip';
  }

  override onBeforeTryTask(test: RunnerTask, options: Try): void {
    super.onBeforeTryTask(test, options);
    // Vitest would wait for the assertions that the last repetition has left open.
    Object.assign(test, { promises: undefined });
    this.#noticed = undefined;
    const switches = this.#switches;
    if (this.#pass.kind === 'cover') switches.currentTestId = keyOf(test);
    const id = (this.#now = this.#nextMutant());
    if (id === undefined || id === NONE) return;
    this.#journal.add({ begun: id, test: keyOf(test) });
    if (this.#pass.kind === 'load') return;
    switches.hitCount = 0;
    switches.hitLimit = (this.#reached.tests[keyOf(test)]!.hits[id]! + 10) * MORE_HITS;
    switches.activeMutant = id;
  }

  #nextMutant(): string | undefined {
    if (this.#pass.kind === 'load') return this.#pass.id;
    if (this.#pass.kind === 'cover') return undefined;
    if (this.#mustHold) return NONE;
    return this.#waiting.shift() ?? (this.#unsure.length > 0 ? NONE : undefined);
  }

  async runTask(test: RunnerTestCase): Promise<void> {
    const run = TestRunner.getTestFn(test);
    const began = now();
    if (this.#pass.kind === 'cover') {
      await run();
      this.#durations.set(keyOf(test), now() - began);
      return;
    }
    if (this.#now === undefined) return;
    const late = Promise.withResolvers<'late'>();
    const ms = this.#reached.tests[keyOf(test)]?.ms ?? 0;
    const timer = setTimeout(() => late.resolve('late'), PATIENCE_MS + PATIENCE * ms);
    try {
      const ended = await Promise.race([Promise.resolve(run()), late.promise]);
      if (ended === 'late') this.#noticed = { how: 'timed out', says: '' };
    } catch (error) {
      this.#noticed = { how: 'failed', says: String(error).slice(0, 200) };
    } finally {
      clearTimeout(timer);
    }
  }

  override async onAfterRetryTask(test: Parameters<TestRunner['onAfterRetryTask']>[0], options: Try): Promise<void> {
    await super.onAfterRetryTask(test, options);
    this.#switches.currentTestId = undefined;
    if (this.#pass.kind === 'cover') return;
    const key = keyOf(test);
    if (this.#pass.kind === 'try') this.#switches.activeMutant = undefined;
    const { hitCount, hitLimit } = this.#switches;
    // Whatever has come of the error that ended the loop.
    if (hitCount !== undefined && hitCount > hitLimit!) this.#noticed ??= { how: 'timed out', says: 'a loop' };
    this.#switches.hitCount = undefined;
    // A hook may fail as well.
    const [error] = test.result?.errors ?? [];
    if (error) this.#noticed ??= { how: 'failed', says: String(error.message).slice(0, 200) };
    if (test.result) Object.assign(test.result, { state: 'pass', errors: undefined });
    const id = this.#now;
    if (id === undefined) return;
    if (id === NONE) return this.#hasHeld(key);
    if (!this.#noticed) return this.#journal.add({ survived: id, test: key });
    this.#caught.add(id);
    this.#unsure.push(id);
    // A test that was given up may go on by itself, and change what the next ones see.
    this.#mustHold = this.#noticed.how === 'timed out';
    this.#journal.add({ caught: id, test: key, ...this.#noticed });
  }

  /** Without a mutant: if something of one stayed, what was noticed counts for nothing, and a new process goes on. */
  async #hasHeld(key: string): Promise<void> {
    const unsure = this.#unsure;
    this.#unsure = [];
    this.#mustHold = false;
    if (!this.#noticed) return;
    this.#journal.add({ spoiled: key, mutants: unsure });
    await new Promise(() => {});
  }

  override onAfterRunFiles(files: RunnerTestFile[]): void {
    super.onAfterRunFiles(files);
    const seen = this.#switches.mutantCoverage;
    if (this.#pass.kind !== 'cover' || !seen) return;
    const tests = [...this.#durations].map(([key, ms]) => [key, { hits: seen.perTest[key] ?? {}, ms }]);
    // Vitest may give each file a thread of its own.
    this.#journal.addReached({ tests: Object.fromEntries(tests), outside: Object.keys(seen.static) });
  }

  /** Not noticed yet, and not tried with this test in an earlier pass or session. */
  #isOpen(id: string, test: RunnerTask, own: string): boolean {
    if (this.#mutants.get(id)?.file.endsWith(own) !== true) return false;
    const key = keyOf(test);
    return !this.#caught.has(id) && !this.#survived.has(`${id} ${key}`) && (this.#spoiled.get(key)?.length ?? 0) < 2;
  }
}

function keyOf(test: RunnerTask): string {
  const names = [test.name];
  for (let suite = test.suite; suite; suite = suite.suite) names.unshift(suite.name);
  return `${relative(process.cwd(), test.file.filepath)} > ${names.join(' > ')}`;
}
