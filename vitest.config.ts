import { defineConfig } from 'vitest/config';

// Workers, threads and processes compile each module once for all runs.
process.env['NODE_COMPILE_CACHE'] ??= new URL('node_modules/.cache/tests', import.meta.url).pathname;

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // One PostgreSQL for all tests.
    globalSetup: ['test/support/postgres/shared-cluster.ts'],
    pool: 'forks',
    // As many as there are processors: the tests wait for servers and disks more than they compute.
    maxWorkers: '100%',
    // Servers are started and killed and disks are waited for; a hanging test still ends.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    reporters: ['default', './test/support/totals-reporter.ts'],
  },
});
