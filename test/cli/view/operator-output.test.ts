import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, openSync, closeSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, it } from 'vitest';
import { fillLedger, fills } from '../../support/ledgers/filled-ledger.ts';
import { ORDER_NUMBERS, testFolder } from '../../support/processes/server-process.ts';

/** The operator commands that change something, and the file each leaves. */
const COMMANDS = ['backup', 'restore', 'import'] as const;

it.each(COMMANDS)('%s exits with 0 and silently if its output is closed once it is done', async (name) => {
  const { args, made } = prepared(name);
  const child = spawn(process.execPath, [ORDER_NUMBERS, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.destroy();
  const [stderr] = await Promise.all([text(child.stderr), once(child, 'close')]);
  expect({ exitCode: child.exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  expect(existsSync(made)).toBe(true);
});

it.each(COMMANDS)('%s that is done says so in one line if standard output is full', async (name) => {
  const { args, made } = prepared(name);
  const { exitCode, stderr } = await onFullDisk(args);
  expect(stderr).toMatch(
    /^the .* (written and checked|restored|imported .*), but the result was not printed: .*ENOSPC.*\n$/,
  );
  expect(exitCode).toBe(0);
  expect(existsSync(made)).toBe(true);
});

it.each([[[]], [['--json']]])('a dry run whose output could not be written fails in one line: %j', async (flags) => {
  const { args, made } = prepared('import');
  const { exitCode, stderr } = await onFullDisk([...args.filter((arg) => arg !== '--yes'), ...flags]);
  expect(stderr).toMatch(/^[^\n]*cannot write to standard output: ENOSPC[^\n]*\n$/);
  expect(exitCode).toBe(1);
  expect(existsSync(made)).toBe(false);
});

function prepared(name: (typeof COMMANDS)[number]): { args: readonly string[]; made: string } {
  const folder = testFolder();
  const made = join(folder, 'made.db');
  const source = join(folder, 'source');
  if (name === 'import') {
    writeFileSync(source, 'store_id,next_number\n7,500\n');
    return { args: ['import', '--csv', source, '--next-order-id', '9', '--ledger', made, '--yes'], made };
  }
  fillLedger(source, ...fills(3));
  if (name === 'backup') return { args: ['backup', '--ledger', source, made], made };
  return { args: ['restore', '--from', source, '--ledger', made, '--nothing-numbered-since'], made };
}

async function onFullDisk(args: readonly string[]) {
  const full = openSync('/dev/full', 'w');
  const child = spawn(process.execPath, [ORDER_NUMBERS, ...args], { stdio: ['ignore', full, 'pipe'] });
  closeSync(full);
  const [stderr] = await Promise.all([text(child.stderr!), once(child, 'close')]);
  return { exitCode: child.exitCode, stderr };
}
