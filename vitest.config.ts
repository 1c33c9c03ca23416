import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import type { TestSpecification } from 'vitest/node';
import { BaseSequencer } from 'vitest/node';

// Workers, threads and processes compile each module once for all runs.
process.env['NODE_COMPILE_CACHE'] ??= new URL('node_modules/.cache/tests', import.meta.url).pathname;

// The servers of the tests are on this machine: where the environment has a proxy, they are asked without it.
for (const name of ['no_proxy', 'NO_PROXY']) {
  process.env[name] = [process.env[name], 'localhost', '127.0.0.1', '127.0.0.0/8', '::1'].filter(Boolean).join(',');
}

/** Tests that need more than make, npm and Node.js: see test/support/required-tool.ts. */
const WITH_TOOLS = 'test/**/*.tools.test.ts';
/** Those that need the toolchains of other languages, and minutes to download what the examples use. */
const EXAMPLES = 'test/examples/**/*.tools.test.ts';

/** Small files that run long: some share a suite, others wait for servers. */
const LONG =
  /(engine-suite|contract|drain|kill|silent-network|docs-commands|failover\/[a-z]+|kill\/[a-z]+|examples\/php\.tools)\.test\.ts$/;

/** Without the results of an earlier run vitest starts small files last, and the end of a run would wait for these. */
class LongFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await BaseSequencer.prototype.sort.call(this, files);
    return [
      ...sorted.filter(({ moduleId }) => LONG.test(moduleId)),
      ...sorted.filter(({ moduleId }) => !LONG.test(moduleId)),
    ];
  }
}

export default defineConfig({
  test: {
    projects: [
      project('plain', { include: ['test/**/*.test.ts'], exclude: [WITH_TOOLS] }),
      project('tools', { include: [WITH_TOOLS], exclude: [EXAMPLES] }),
      project('examples', { include: [EXAMPLES] }),
    ],
    // The tests wait for servers and disks about as much as they compute. With one more than twice the processors, two
    // of them are idle for a twentieth of a run instead of a tenth. In percent there are never more workers than
    // processors.
    maxWorkers: 2 * availableParallelism() + 1,
    sequence: { sequencer: LongFirst },
    reporters: ['default', './test/support/totals-reporter.ts'],
  },
});

function project(name: string, files: { readonly include: string[]; readonly exclude?: string[] }) {
  return {
    test: {
      name,
      ...files,
      // One PostgreSQL for all tests of a run.
      globalSetup: ['test/support/postgres/shared-cluster.ts'],
      setupFiles: ['test/support/patience.ts'],
      expect: { poll: { timeout: 30_000, interval: 10 } },
      pool: 'forks' as const,
      // Servers, ledgers and their threads come and go: in memory this large, 25 collections of garbage instead of 400.
      execArgv: ['--min-semi-space-size=16'],
      // Files share the processes, and so what they import; a test leaves nothing behind in its process.
      isolate: false,
      // Servers are started and killed and disks are waited for; a hanging test still ends.
      testTimeout: 180_000,
      hookTimeout: 180_000,
    },
  };
}
