import { existsSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { isMainThread } from 'node:worker_threads';

// Loaded with --import before a server: loads the server's modules, says so, and begins once the file START_WHEN exists.
// Then a start takes so little time that the system has not yet written back what the last server left in its memory.

const LOOK_MS = 5;

// Not in its threads, and not in the programs that it runs.
if (isMainThread && process.argv[1]?.endsWith('order-numbers.js')) {
  await Promise.all([
    import('../../../../src/cli/commands/serve.ts'),
    import('../../../../src/server/server.ts'),
    import('../../../../src/server/log/log.ts'),
    import('../../../../src/engines/sqlite/engine.ts'),
  ]);
  process.stdout.write('warm\n');
  while (!existsSync(process.env['START_WHEN']!)) await delay(LOOK_MS);
}
