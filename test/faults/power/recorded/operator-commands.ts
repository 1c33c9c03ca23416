import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { LedgerRefused } from '../../../../src/core/errors.ts';
import type { LedgerFiles } from '../../../../src/engines/sqlite/file/ledger-files.ts';
import { locateLedger } from '../../../../src/engines/sqlite/file/ledger-files.ts';
import { restoreLedger } from '../../../../src/engines/sqlite/operator/restore.ts';
import { openLedger } from '../../../../src/engines/sqlite/recovery/open-ledger.ts';
import { parseTokenFile } from '../../../../src/server/security/token-file.ts';

/** How often a token is created, or a backup made over the one before. */
export const TIMES = 4;

/** What is imported: the first store keeps its numbers, the others get theirs. */
export const IMPORTED = { nextOrderId: 500n, nextNumber: 700n, stores: [1n, 2n, 3n] } as const;

/** What was said before and after the commands so far. */
export interface OperatorTold {
  readonly begun: bigint;
  readonly had: bigint;
  readonly isDone: boolean;
  /** A backup of the ledger. */
  readonly backup: string;
}

/** What is wrong with the files that an operator's command left in this folder; undefined if nothing is. */
export type OperatorCheck = (folder: string, told: OperatorTold) => string | undefined | Promise<string | undefined>;

/** Whole, with every token that was created. */
function tokens(folder: string, { begun, had }: OperatorTold): string | undefined {
  const path = join(folder, 'tokens.json');
  if (!existsSync(path)) return had > 0n ? 'no token file' : undefined;
  const names = parseTokenFile(readFileSync(path, 'utf8')).map(({ name }) => name);
  const isInOrder = names.every((name, i) => name === `caller-${i + 1}`);
  return isInOrder && names.length >= had && names.length <= begun
    ? undefined
    : `tokens ${names.join(', ')}, not ${had}`;
}

/** Whole or not at all, and as new as the last one that was finished. */
function backup(folder: string, { begun, had }: OperatorTold): string | undefined {
  const path = join(folder, 'backup.db');
  if (!existsSync(path)) return had > 0n ? 'no backup' : undefined;
  const db = new Database(path, { readonly: true });
  try {
    const integrity = String(db.pragma('integrity_check', { simple: true }));
    if (integrity !== 'ok') return integrity;
    const rows = db.prepare('SELECT count(*) FROM allocations').pluck().safeIntegers().get() as bigint;
    const end = db.prepare('SELECT last_order_id FROM ledger').pluck().safeIntegers().get() as bigint;
    return end === rows && end >= had && end <= begun ? undefined : `${rows} rows to ${end}, not ${had}`;
  } finally {
    db.close();
  }
}

/** Either ledger, or none that opens until the command is run again; never one that gives a number twice. */
async function restored(folder: string, { isDone, had, backup: from }: OperatorTold): Promise<string | undefined> {
  const files = locateLedger(join(folder, 'orders.db'));
  let end = endOf(files);
  if (end === 'refused') {
    if (isDone) return 'the restored ledger is refused';
    await restoreLedger({ from, ledger: files.database, acceptLoss: () => Promise.resolve(true) });
    end = endOf(files);
  }
  return typeof end === 'bigint' && end >= had ? undefined : `it ends at ${end}, and ${had} was given`;
}

function endOf(files: LedgerFiles): bigint | string {
  try {
    const { db, mark, lastOrderId } = openLedger(files)!;
    mark.close();
    const integrity = String(db.pragma('integrity_check', { simple: true }));
    db.close();
    return integrity === 'ok' ? lastOrderId : integrity;
  } catch (error) {
    if (error instanceof LedgerRefused) return 'refused';
    throw error;
  }
}

/** All of it or nothing. */
function imported(folder: string, { isDone }: OperatorTold): string | undefined {
  const { db, mark, lastOrderId } = openLedger(locateLedger(join(folder, 'orders.db')))!;
  mark.close();
  const numbers = db.prepare('SELECT last_number + 1 FROM stores').pluck().safeIntegers().all();
  db.close();
  if (lastOrderId === 0n && numbers.length === 0 && !isDone) return undefined;
  const isWhole =
    numbers.length === IMPORTED.stores.length && numbers.every((number) => number === IMPORTED.nextNumber);
  return isWhole && lastOrderId === IMPORTED.nextOrderId - 1n
    ? undefined
    : `order_id ${lastOrderId}, stores ${numbers}`;
}

export const OPERATOR_CHECKS = {
  'token create': tokens,
  backup,
  restore: restored,
  import: imported,
} as const satisfies Readonly<Record<string, OperatorCheck>>;

export type OperatorCommand = keyof typeof OPERATOR_CHECKS;
