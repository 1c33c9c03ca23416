import { appendFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { changeTokens } from '../../../../../src/cli/token/change-tokens.ts';
import type { ImportedCounters } from '../../../../../src/core/move/imported-counters.ts';
import { importCounters } from '../../../../../src/engines/sqlite/operator/import-counters.ts';
import { backupLedger } from '../../../../../src/engines/sqlite/operator/backup.ts';
import { restoreLedger } from '../../../../../src/engines/sqlite/operator/restore.ts';
import type { TokenEntry } from '../../../../../src/server/security/token-file.ts';
import { TOLD } from '../writes/folder-state.ts';
import { LedgerLife, backupsBeside, requestIdOf } from './ledger-life.ts';
import { IMPORTED, TIMES } from '../operator-commands.ts';

// A program: `recorded-operator.ts FOLDER COMMAND`, what an operator does to the files in this folder, for
// write-recorder.c. Before and after each step it writes a line to the file `told`. It ends as if it was killed.

const [folder = '', command = ''] = process.argv.slice(2);
const ledger = join(folder, 'orders.db');
let keys = 0;

function tell(line: string): void {
  appendFileSync(join(folder, TOLD), `${line}\n`);
}

function give(life: LedgerLife, count: number): void {
  life.commit(
    Array.from({ length: count }, (_, n) => ({
      requestId: requestIdOf(keys++),
      storeId: BigInt(1 + (n % 3)),
      count: 1,
    })),
  );
}

async function createTokens(): Promise<void> {
  for (let n = 1; n <= TIMES; n++) {
    tell(`begins ${n}`);
    const sha256 = String(n).padStart(64, '0');
    const entry: TokenEntry = { name: `caller-${n}`, sha256, stores: 'all', verbs: new Set(['read']) };
    await changeTokens(join(folder, 'tokens.json'), true, (entries) => [...entries, entry]);
    tell(`has ${n}`);
  }
}

/** The ledger is elsewhere: its own writes are another test's. */
async function backUp(): Promise<void> {
  const source = join(folder, '..', 'source');
  mkdirSync(source);
  const life = new LedgerLife(source);
  life.open();
  for (let n = 1; n <= TIMES; n++) {
    give(life, 30);
    tell(`begins ${life.told.end}`);
    await backupLedger(life.files.database, join(folder, 'backup.db'), { force: n > 1 });
    tell(`has ${life.told.end}`);
  }
}

/** A backup that is 10 orders behind takes the place of the ledger, whose owner was killed. */
async function restore(): Promise<void> {
  await restoreLedger({ from: join(backupsBeside(folder), '0'), ledger, acceptLoss: () => Promise.resolve(true) });
  tell('has restored');
}

/** What restore() works on. */
async function liveBefore(): Promise<void> {
  const life = new LedgerLife(folder);
  life.open();
  give(life, 40);
  await life.backup();
  give(life, 10);
}

function importAll(): void {
  const counters: ImportedCounters = {
    nextOrderId: IMPORTED.nextOrderId,
    stores: new Set(IMPORTED.stores.map((storeId) => ({ storeId, nextNumber: IMPORTED.nextNumber }))),
  };
  importCounters(ledger, counters, () => {});
  tell('has imported');
}

const commands: Readonly<Record<string, () => void | Promise<void>>> = {
  'token create': createTokens,
  backup: backUp,
  'before restore': liveBefore,
  restore,
  import: importAll,
};
await commands[command]!();
process.kill(process.pid, 'SIGKILL');
