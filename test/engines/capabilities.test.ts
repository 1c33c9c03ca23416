import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { EngineName } from '../../src/engines/capabilities.ts';
import { CAPABILITIES } from '../../src/engines/capabilities.ts';
import { localOrderNumbers as orderNumbers } from '../support/processes/local-command.ts';

/** Places where no ledger is: what a command can do there it refuses later, with another exit code. */
const PLACES: Readonly<Record<EngineName, string>> = {
  sqlite: join(tmpdir(), 'no-ledger-here.db'),
  postgres: 'postgres://127.0.0.1:1/none',
  dynamodb: 'dynamodb://none?region=eu-central-1&endpoint=http://127.0.0.1:1',
};
const ENGINES = Object.keys(CAPABILITIES) as EngineName[];
const BACKUP = join(tmpdir(), 'no-backup-here.db');
/** What DynamoDB has instead, step by step, and its danger. */
const POINT_IN_TIME = [
  'stop servers, ',
  'run aws dynamodb restore-table-to-point-in-time, ',
  'verify and serve the new table; ',
  'it repeats later numbers: docs/dynamodb.md',
];
/** Four lines of a terminal. */
const MAX_LENGTH = 320;

it.each(
  ENGINES.flatMap((engine) => {
    const { backup, declareLoss } = CAPABILITIES[engine];
    const ledger = PLACES[engine];
    return [
      { engine, can: backup, args: ['backup', BACKUP, '--ledger', ledger] },
      { engine, can: backup, args: ['restore', '--from', BACKUP, '--ledger', ledger] },
      { engine, can: backup, args: ['restore', '--from', BACKUP, '--ledger', ledger, '--accept-loss', '--yes'] },
      { engine, can: backup, args: ['restore', '--from', ledger, '--ledger', PLACES.sqlite] },
      { engine, can: declareLoss, args: ['declare-loss', ledger, '--continue-above', '5', '--yes'] },
    ];
  }).map((row) => [row.engine, row.args.slice(0, row.args.includes('--accept-loss') ? 6 : 1).join(' '), row] as const),
)('%s: %s is there or refused by name', async (engine, _, { can, args }) => {
  const { exitCode, stdout, stderr } = await orderNumbers(args);
  expect({ exitCode, stdout }).toEqual({ exitCode: can ? 1 : 2, stdout: '' });
  if (can) return;
  expect(stderr).toMatch(/ is invalid( for argument '\w+')?\. Use /);
  const steps = engine === 'dynamodb' ? POINT_IN_TIME : [];
  expect(steps.filter((step) => !stderr.includes(step))).toEqual([]);
  expect(stderr.length).toBeLessThanOrEqual(MAX_LENGTH);
});

it.each(ENGINES)('%s: --ledger-read is there or refused by name', async (engine) => {
  const args = ['--ledger', PLACES[engine], '--ledger-read', 'postgres://127.0.0.1:1/standby', '--json'];
  const { stdout } = await orderNumbers(['serve', '--check', ...args]);
  const { findings } = JSON.parse(stdout) as { findings: readonly { readonly flag: string; readonly text: string }[] };
  const refusals = findings.filter(({ text }) => text.includes('needs a PostgreSQL ledger'));
  expect(refusals.map(({ flag }) => flag)).toEqual(CAPABILITIES[engine].ledgerRead ? [] : ['--ledger-read']);
  expect(refusals.every(({ text }) => text.includes(PLACES[engine]))).toBe(true);
});

it('--ledger-read takes no table', async () => {
  const args = ['serve', '--check', '--ledger', PLACES.postgres, '--ledger-read', PLACES.dynamodb];
  const { exitCode, stdout } = await orderNumbers(args);
  expect(exitCode).toBe(2);
  expect(stdout).toContain('Use postgres://user@host:5432/database');
});
