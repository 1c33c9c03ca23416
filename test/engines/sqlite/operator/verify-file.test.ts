import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { verifyLedgerFile } from '../../../../src/engines/sqlite/operator/verify-file.ts';
import { LedgerRefused } from '../../../../src/core/errors.ts';
import { fillLedger, fills, tamper } from '../../../support/ledgers/filled-ledger.ts';
import { testFolder } from '../../../support/processes/server-process.ts';

it.each<[string, (path: string) => void, string]>([
  ['a folder', (path) => mkdirSync(path), 'is not a file; name the file of a ledger'],
  ['an empty file', (path) => writeFileSync(path, ''), 'is an empty file and not a ledger; name the right one'],
  [
    'a file that is no database',
    (path) => writeFileSync(path, 'notes'.repeat(500)),
    'is damaged or not a ledger (file is not a database); name the file of a ledger, or use another copy',
  ],
  [
    'a database of another program',
    (path) => tamper(path, 'CREATE TABLE customers (name TEXT)'),
    'is a database of another program; --ledger must name an order ledger or a new file',
  ],
  [
    'a ledger without its counter',
    (path) => {
      fillLedger(path, ...fills(3));
      tamper(path, 'DELETE FROM ledger');
    },
    'is damaged: its counter is missing; use another copy',
  ],
  [
    'a ledger without its tables',
    (path) => {
      fillLedger(path, ...fills(3));
      tamper(path, 'DROP TABLE ledger');
    },
    'is damaged or not a ledger (no such table: ledger); name the file of a ledger, or use another copy',
  ],
])('%s is refused in one sentence, before anything is read', (_, make, why) => {
  const path = join(testFolder(), 'orders.db');
  make(path);
  expect(() => verifyLedgerFile(path, undefined)).toThrow(new LedgerRefused(`${path} ${why}`));
});
