import { relative } from 'node:path';
import { defineConfig } from 'vitest/config';
import { Journal } from './journal.ts';
import { ROOT } from './mutants.ts';
import { ROOM_VARIABLE, roomNamed } from './rooms.ts';

const room = roomNamed(process.env[ROOM_VARIABLE]);
const { code } = new Journal().room;

export default defineConfig({
  root: ROOT,
  plugins: [
    {
      name: 'mutants',
      enforce: 'pre',
      transform: (_text, id) => code[relative(ROOT, id.replace(/\?.*$/, ''))],
    },
  ],
  test: {
    include: [...room.tests],
    globalSetup: room.needsPostgres ? ['test/support/postgres/shared-cluster.ts'] : [],
    setupFiles: ['test/support/patience.ts'],
    runner: new URL('mutant-runner.ts', import.meta.url).pathname,
    // The cache would give code without mutants, or this code to other runs.
    fsModuleCache: false,
    // One thread, which keeps the modules from one file of tests to the next.
    pool: 'threads',
    maxWorkers: 1,
    isolate: false,
    // The runner has its own.
    testTimeout: 600_000,
    hookTimeout: 60_000,
    reporters: [{}],
    onConsoleLog: () => false,
  },
});
