import { createVitest } from 'vitest/node';

// Run by test-session.ts in a copy of the tree: one vitest for many runs, because starting it takes longer than most tests.

/** What to run: whole files, or only some of their tests. `changed` are the files that differ since the last run. */
export interface Wanted {
  readonly project: string;
  readonly files: readonly string[];
  /** The suites and the title of each; empty means all. */
  readonly tests: readonly (readonly string[])[];
  readonly changed: readonly string[];
}

/** How tests ended, by their names as vitest prints them. */
export interface Results {
  readonly passed: readonly string[];
  readonly failed: readonly Failed[];
  /** What failed outside of any test. */
  readonly crashed: readonly string[];
}

export interface Failed {
  readonly test: string;
  /** Whether an expectation did not hold, as opposed to a timeout, or an error of another kind. */
  readonly isAssertion: boolean;
  readonly says: string;
}

const vitest = await createVitest('test', {
  watch: false,
  project: ['plain', 'tools'],
  reporters: [{}],
});

process.on('message', (wanted: Wanted) => {
  run(wanted).then(
    (results) => process.send!(results),
    (error: unknown) => process.send!({ passed: [], failed: [], crashed: [firstLine(error)] } satisfies Results),
  );
});
process.on('disconnect', () => void vitest.close().finally(() => process.exit()));

async function run({ project, files, tests, changed }: Wanted): Promise<Results> {
  for (const path of changed) vitest.invalidateFile(path);
  if (tests.length === 0) vitest.resetGlobalTestNamePattern();
  else vitest.setGlobalTestNamePattern(new RegExp(`^(${tests.map(patternOf).join('|')})$`));
  const found = await vitest.globTestSpecifications([...files]);
  const specifications = found.filter((one) => one.project.name === project);
  const { testModules, unhandledErrors } = await vitest.runTestSpecifications(specifications);
  const ran = new Set(specifications.map(({ moduleId }) => moduleId));
  const passed: string[] = [];
  const failed: Failed[] = [];
  const crashed = unhandledErrors.map(firstLine);
  // The others are from earlier runs.
  for (const module of testModules.filter(({ moduleId }) => ran.has(moduleId))) {
    crashed.push(...module.errors().map(firstLine));
    for (const suite of module.children.allSuites()) crashed.push(...suite.errors().map(firstLine));
    for (const test of module.children.allTests()) {
      const { state, errors } = test.result();
      if (state === 'passed') passed.push(test.fullName);
      if (state !== 'failed') continue;
      const isAssertion = errors.every(({ name }) => name === 'AssertionError');
      failed.push({ test: test.fullName, isAssertion, says: firstLine(errors[0]) });
    }
  }
  vitest.state.clearErrors();
  return { passed, failed, crashed };
}

function firstLine(error: unknown): string {
  const { name, message } = Object(error) as { readonly name?: unknown; readonly message?: unknown };
  return `${String(name)}: ${String(message)}`.split('\n', 1)[0]!.slice(0, 300);
}

/** Whichever way vitest joins the titles. */
function patternOf(titles: readonly string[]): string {
  return titles.map(escaped).join('( > | )');
}

function escaped(text: string): string {
  return text.replaceAll(/[$()*+.?[\\\]^{|}]/g, String.raw`\$&`);
}
