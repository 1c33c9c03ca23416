import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { refusedProcess } from '../../support/processes/refused-start.ts';
import { requireTools } from '../../support/required-tool.ts';
import { testFolder } from '../../support/processes/server-process.ts';

it('a folder on a read-only mount is refused and named', async (test) => {
  // As root, no permission bits stop a write; a read-only mount does.
  requireTools(test, 'root');
  const folder = testFolder();
  execFileSync('mount', ['--bind', folder, folder]);
  onTestFinished(() => void execFileSync('umount', ['--lazy', folder]));
  execFileSync('mount', ['-o', 'remount,bind,ro', folder]);
  expect(await refusedProcess(join(folder, 'orders.db'))).toMatch(new RegExp(`${folder}.*mounted read-only`));
});
