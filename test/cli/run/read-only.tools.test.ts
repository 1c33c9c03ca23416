import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { fillLedger, fills } from '../../support/ledgers/filled-ledger.ts';
import { orderNumbers } from '../../support/processes/order-numbers-command.ts';
import { refusedStart } from '../../support/processes/refused-start.ts';
import { requireTools } from '../../support/required-tool.ts';
import { testFolder } from '../../support/processes/server-process.ts';

/** A ledger with three orders, closed cleanly, on a file system that is mounted read-only. */
function readOnlyLedger(): string {
  const source = join(testFolder(), 'data');
  fillLedger(join(makeFolder(source), 'orders.db'), ...fills(3));
  const mounted = makeFolder(join(testFolder(), 'mounted'));
  execFileSync('mount', ['--bind', source, mounted]);
  onTestFinished(() => void execFileSync('umount', [mounted]));
  execFileSync('mount', ['-o', 'remount,bind,ro', mounted]);
  return join(mounted, 'orders.db');
}

function makeFolder(path: string): string {
  mkdirSync(path);
  return path;
}

it('a ledger on a read-only mount can be verified, backed up, and used as the source of a restore', async (test) => {
  requireTools(test, 'root', 'linux');
  const ledger = readOnlyLedger();
  expect(await orderNumbers(['verify', ledger])).toMatchObject({
    exitCode: 0,
    stdout: expect.stringContaining('no gaps, no duplicates: 3 rows'),
    stderr: '',
  });
  const backup = join(testFolder(), 'backup.db');
  expect(await orderNumbers(['backup', '--ledger', ledger, backup])).toMatchObject({ exitCode: 0, stderr: '' });
  const restored = join(testFolder(), 'orders.db');
  const args = ['restore', '--from', ledger, '--ledger', restored, '--nothing-numbered-since'];
  expect(await orderNumbers(args)).toMatchObject({ exitCode: 0, stderr: '' });
});

it('a command that must write there says so in one line', async (test) => {
  requireTools(test, 'root', 'linux');
  const ledger = readOnlyLedger();
  const why = /mounted\S* is on a file system that is mounted read-only; mount it for writing, or name another place/;
  expect(await refusedStart(ledger)).toMatch(why);
  const from = join(testFolder(), 'backup.db');
  fillLedger(from, ...fills(3));
  const csv = join(testFolder(), 'stores.csv');
  writeFileSync(csv, 'store_id,next_number\n7,500\n');
  const other = join(ledger, '../other.db');
  for (const args of [
    ['restore', '--from', from, '--ledger', other, '--nothing-numbered-since'],
    ['import', '--csv', csv, '--next-order-id', '1000', '--ledger', other, '--yes'],
    ['backup', '--ledger', from, join(ledger, '../backup.db')],
  ]) {
    const { exitCode, stderr } = await orderNumbers(args);
    expect({ args, exitCode, lines: stderr.trim().split('\n').length }).toEqual({ args, exitCode: 1, lines: 1 });
    expect(stderr).toMatch(why);
  }
});
