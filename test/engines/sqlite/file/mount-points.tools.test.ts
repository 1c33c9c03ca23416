import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { locateLedger } from '../../../../src/engines/sqlite/file/ledger-files.ts';
import { LedgerRefused } from '../../../../src/core/errors.ts';
import { requireTools } from '../../../support/required-tool.ts';
import { testFolder } from '../../../support/processes/server-process.ts';

it('P8: one file mounted alone in two places is refused in both, through a symbolic link, too', (test) => {
  requireTools(test, 'root', 'linux');
  const folder = testFolder();
  writeFileSync(join(folder, 'host.db'), '');
  for (const place of ['a place', 'b']) {
    mkdirSync(join(folder, place));
    const path = join(folder, place, 'orders.db');
    writeFileSync(path, '');
    execFileSync('mount', ['--bind', join(folder, 'host.db'), path]);
    onTestFinished(() => void execFileSync('umount', ['--lazy', path]));
    symlinkSync(path, join(folder, `${place}.link`));
    for (const name of [path, join(folder, `${place}.link`)]) {
      expect(() => locateLedger(name)).toThrow(LedgerRefused);
      expect(() => locateLedger(name)).toThrow(/is mounted as a single file/);
    }
    expect(readdirSync(join(folder, place))).toEqual(['orders.db']);
  }
  // A folder is what should be mounted instead.
  mkdirSync(join(folder, 'disk'));
  mkdirSync(join(folder, 'mounted'));
  execFileSync('mount', ['--bind', join(folder, 'disk'), join(folder, 'mounted')]);
  onTestFinished(() => void execFileSync('umount', ['--lazy', join(folder, 'mounted')]));
  expect(locateLedger(join(folder, 'mounted', 'orders.db')).database).toBe(join(folder, 'mounted', 'orders.db'));
});
