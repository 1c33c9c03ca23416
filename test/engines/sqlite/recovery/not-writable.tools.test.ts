import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { fillLedger } from '../../../support/ledgers/filled-ledger.ts';
import { requireTools } from '../../../support/required-tool.ts';
import { ORDER_NUMBERS, testFolder } from '../../../support/processes/server-process.ts';

/** The user `nobody`, on every Linux. */
const OTHER_USER = '65534';

it.for(['', '.mark', '.lock'])(
  'P4: a ledger whose file orders.db%s is not this user’s to write is never served',
  (suffix, test) => {
    requireTools(test, 'root', 'linux');
    const folder = testFolder();
    const ledger = join(folder, 'orders.db');
    fillLedger(ledger, { storeId: 1n, requestId: 'a' });
    chmodSync(folder, 0o777);
    for (const each of ['', '.mark']) chmodSync(`${ledger}${each}`, 0o666);
    spawnSync('touch', [`${ledger}.lock`]);
    chmodSync(`${ledger}.lock`, 0o666);
    chmodSync(`${ledger}${suffix}`, 0o444);
    const { status, stdout } = serveAsOther(ledger);
    expect(status).toBe(1);
    expect(stdout).toContain(`this process may not write ${ledger}${suffix} (it belongs to user 0`);
    expect(stdout).toContain(`chown ${OTHER_USER} ${ledger} ${ledger}.lock ${ledger}.mark`);
    expect(stdout).not.toContain('serving');
  },
);

it('a folder of mode 0500 that belongs to the server’s own user needs chmod, not chown', (test) => {
  requireTools(test, 'root', 'linux');
  const folder = testFolder();
  chownSync(folder, Number(OTHER_USER), Number(OTHER_USER));
  chmodSync(folder, 0o500);
  const { status, stdout } = serveAsOther(join(folder, 'orders.db'));
  expect(status).toBe(1);
  expect(stdout).toContain(`; run chmod u+w ${folder}`);
  expect(stdout).not.toContain('chown');
});

function serveAsOther(ledger: string) {
  const as = ['--reuid', OTHER_USER, '--regid', OTHER_USER, '--clear-groups'];
  const serve = [process.execPath, ORDER_NUMBERS, 'serve', '--ledger', ledger];
  return spawnSync('setpriv', [...as, ...serve], { encoding: 'utf8', timeout: 30_000 });
}
