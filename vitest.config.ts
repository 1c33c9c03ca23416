import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

// Workers, threads and processes compile each module once for all runs.
process.env['NODE_COMPILE_CACHE'] ??= new URL('node_modules/.cache/tests', import.meta.url).pathname;

// The servers of the tests are on this machine: where the environment has a proxy, they are asked without it.
for (const name of ['no_proxy', 'NO_PROXY']) {
  process.env[name] = [process.env[name], 'localhost', '127.0.0.1', '127.0.0.0/8', '::1'].filter(Boolean).join(',');
}

/** Tests that need more than make, npm and Node.js: see test/support/required-tool.ts. */
const WITH_TOOLS = 'test/**/*.tools.test.ts';

export default defineConfig({
  test: {
    projects: [
      project('plain', { include: ['test/**/*.test.ts'], exclude: [WITH_TOOLS] }),
      project('tools', { include: [WITH_TOOLS] }),
    ],
    // The tests wait for servers and disks about as much as they compute. In percent there are never more workers than
    // processors.
    maxWorkers: Math.ceil(availableParallelism() * 1.5),
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
      pool: 'forks' as const,
      // Files share the processes, and so what they import; a test leaves nothing behind in its process.
      isolate: false,
      // Servers are started and killed and disks are waited for; a hanging test still ends.
      testTimeout: 60_000,
      hookTimeout: 60_000,
    },
  };
}
