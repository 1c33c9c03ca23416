import { copyFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { fillLedger, fills } from '../../support/ledgers/filled-ledger.ts';
import { newDatabase } from '../../support/postgres/database.ts';
import { requireTools } from '../../support/required-tool.ts';
import { LocalServer } from '../../support/processes/local-server.ts';
import { testFolder } from '../../support/processes/server-process.ts';
import { atTerminal, realTerminal } from '../../support/processes/terminal.ts';

it.for([
  ['y', 0],
  ['n', 1],
] as const)('at a terminal restore asks: %s ends with exit code %i', async ([answer, exitCode], test) => {
  requireTools(test, 'script');
  const ledger = join(testFolder(), 'orders.db');
  const from = join(testFolder(), 'backup.db');
  fillLedger(ledger, ...fills(9, { name: 'kept' }));
  copyFileSync(ledger, from);
  fillLedger(ledger, ...fills(6, { name: 'lost' }));
  const command = ['restore', '--from', from, '--ledger', ledger, '--accept-loss'];
  expect(await atTerminal(realTerminal, command, '[y/N] ', answer)).toMatchObject({ exitCode });
  expect(readdirSync(dirname(ledger)).some((name) => name.includes('.replaced-'))).toBe(exitCode === 0);
});

it('a terminal shows the progress of a move', async (test) => {
  requireTools(test, 'script');
  const from = join(testFolder(), 'orders.db');
  fillLedger(from, ...fills(60));
  const { said, exitCode } = await atTerminal(realTerminal, ['migrate', '--from', from, '--to', await newDatabase()]);
  expect({ said, exitCode }).toMatchObject({ exitCode: 0 });
  for (const step of ['copying [', 'comparing [', 'verifying [', 'last_order_id']) expect(said).toContain(step);
});

it.for([
  [{ TERM: 'xterm-256color' }, true],
  [{ TERM: 'xterm-256color', NO_COLOR: '1' }, false],
  [{ TERM: 'dumb' }, false],
  [{ TERM: 'dumb', FORCE_COLOR: '1' }, true],
  [{ TERM: 'xterm-256color', FORCE_COLOR: '0' }, false],
] as const)('at a terminal with %j the log and top have colors: %s', async ([env, isColored], test) => {
  requireTools(test, 'script');
  onTestFinished(() => void vi.unstubAllEnvs());
  // Node.js assumes that a terminal of an unknown CI has no colors.
  vi.stubEnv('CI', undefined);
  vi.stubEnv('NO_COLOR', undefined);
  vi.stubEnv('FORCE_COLOR', undefined);
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  // A folder is not a ledger, so the start is refused in one line.
  const { said, exitCode } = await atTerminal(realTerminal, ['serve', '--ledger', testFolder()]);
  expect({ said, exitCode }).toMatchObject({ exitCode: 1, said: expect.stringContaining('is not a file') });
  expect(said.includes('\u001B[')).toBe(isColored);
  const server = new LocalServer(join(testFolder(), 'orders.db'));
  const address = await server.serving();
  const top = await atTerminal(realTerminal, ['top', '--count', '1', '--server', address]);
  expect(top).toMatchObject({ exitCode: 0, said: expect.stringContaining('serving') });
  // A terminal that cannot redraw gets lines, which have no colors.
  expect(top.said.includes('\u001B[3')).toBe(isColored && env.TERM !== 'dumb');
});
