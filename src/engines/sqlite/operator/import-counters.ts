import { existsSync, realpathSync } from 'node:fs';
import { resolve } from 'node:path';
import type Database from 'better-sqlite3';
import { SqliteError } from 'better-sqlite3';
import { LedgerRefused } from '../../../core/errors.ts';
import type {
  ChangeListener,
  ImportedCounters,
  ImportSummary,
  ProgressListener,
} from '../../../core/move/imported-counters.ts';
import { checkBeforeOpening } from '../recovery/opening-check.ts';
import { checkpoint } from '../file/checkpoint.ts';
import { takeFence } from '../file/fence.ts';
import { filesOf, locateLedger } from '../file/ledger-files.ts';
import { inspect } from '../file/inspection.ts';
import type { LedgerRow } from '../file/ledger-row.ts';
import { movedAway, requireLedgerRow, setNextOrderId } from '../file/ledger-row.ts';
import { keepOwner } from '../file/owner.ts';
import type { OpenLedger } from '../recovery/open-ledger.ts';
import { openLedger } from '../recovery/open-ledger.ts';
import { isEmpty, requireKnownSchema, requireLedger } from '../file/schema.ts';

interface FirstNumbers {
  readonly first: bigint;
  readonly last: bigint;
}

/**
 * What {@link importCounters} would do to the ledger at `path`, store by store. Writes and creates nothing, not even a
 * folder. Throws LedgerRefused if the import would be refused, except for a ledger in use.
 */
export function planImport(path: string, counters: ImportedCounters, onChange: ChangeListener): ImportSummary {
  const database = existsSync(path) ? realpathSync(path) : resolve(path);
  return explained(database, () => {
    if (!checkBeforeOpening(filesOf(database), 'served').end) return compare(undefined, counters, onChange);
    return inspect(database, (db) => {
      requireLedger(db);
      requireKnownSchema(db);
      return db.transaction(() => compare(isEmpty(db) ? undefined : db, counters, onChange))();
    });
  });
}

/**
 * Sets the counters of an empty ledger in one transaction, under the lock of the one writer (P8). A missing ledger is
 * created; one that already has these counters is left unchanged. The mark agrees when this returns (P9). Throws
 * LedgerRefused for a ledger that has given a number or declared a loss: jumping forward would leave a hole, too.
 */
export function importCounters(path: string, counters: ImportedCounters, onProgress: ProgressListener): ImportSummary {
  const files = locateLedger(path);
  const plan = () => void planImport(files.database, counters, () => {});
  const fence = takeFence(files, plan);
  try {
    return explained(files.database, () => {
      // Opening writes, and a refused ledger must stay unchanged.
      plan();
      const isNew = !existsSync(files.database);
      const ledger = openLedger(files);
      if (isNew) keepOwner(files.database);
      for (const companion of [files.mark, files.wal, files.shm]) keepOwner(companion, files.database);
      if (!ledger) {
        throw new LedgerRefused(`${files.database} is being read by another process; retry when that one has ended`);
      }
      try {
        return apply(ledger, counters, onProgress);
      } finally {
        ledger.mark.close();
        ledger.db.close();
      }
    });
  } finally {
    fence.release();
  }
}

function apply(ledger: OpenLedger, counters: ImportedCounters, onProgress: ProgressListener): ImportSummary {
  const { db, mark, ledgerId } = ledger;
  const lastOrderId = counters.nextOrderId - 1n;
  // Lowered before the commit, raised after it, so that the mark is not ahead if the process dies in between. The mark
  // of a ledger that has given no number protects nothing.
  if (lastOrderId < ledger.lastOrderId) {
    requireUnused(db);
    mark.write({ ledgerId, lastOrderId });
    mark.forgetBase();
  }
  const upsert = db.prepare<[bigint, bigint, bigint, bigint]>(
    `INSERT INTO stores (store_id, first_number, last_number, create_time_ms) VALUES (?, ?, ?, ?)
     ON CONFLICT (store_id) DO UPDATE SET first_number = excluded.first_number, last_number = excluded.last_number`,
  );
  const now = BigInt(Date.now());
  const all = counters.stores.size;
  let done = 0;
  const summary = db
    .transaction(() => {
      const compared = compare(db, counters, ({ storeId, nextNumber, change }) => {
        if (change !== 'keep') upsert.run(storeId, nextNumber, nextNumber - 1n, now);
        onProgress(++done, all);
      });
      setNextOrderId(db, counters.nextOrderId);
      return compared;
    })
    .immediate();
  mark.write({ ledgerId, lastOrderId });
  mark.sync();
  checkpoint(db, 'TRUNCATE');
  return summary;
}

/** Compares the ledger with the counters that it should have; without `db` there is no ledger yet. */
function compare(
  db: Database.Database | undefined,
  { nextOrderId, stores }: ImportedCounters,
  onChange: ChangeListener,
): ImportSummary {
  const ledger = db && requireUnused(db);
  const select = db?.prepare<[bigint], FirstNumbers>(
    'SELECT first_number AS first, last_number AS last FROM stores WHERE store_id = ?',
  );
  let [all, made, set] = [0, 0, 0];
  for (const store of stores) {
    const there = select?.get(store.storeId);
    const change = !there ? 'make' : there.first === store.nextNumber ? 'keep' : 'set';
    all++;
    if (change === 'make') made++;
    if (change === 'set') set++;
    onChange({ ...store, change });
  }
  return {
    ledgerId: ledger?.ledgerId,
    currentFirstOrderId: ledger?.firstOrderId,
    nextOrderId,
    stores: all,
    storesMade: made,
    storesSet: set,
    isNeeded: made + set > 0 || ledger?.firstOrderId !== nextOrderId,
  };
}

/** Refuses a ledger that has given a number or declared one lost. */
function requireUnused(db: Database.Database): LedgerRow {
  const ledger = requireLedgerRow(db, 'put a good copy back');
  if (ledger.movedTo) throw movedAway(db.name, ledger.movedTo, 'import there');
  const used = db
    .prepare(
      `SELECT 1 FROM allocations UNION ALL SELECT 1 FROM declared_losses
       UNION ALL SELECT 1 FROM stores WHERE last_number >= first_number LIMIT 1`,
    )
    .get();
  if (used !== undefined || ledger.lastOrderId >= ledger.firstOrderId) {
    throw new LedgerRefused(
      `${db.name} has already given numbers and ends at order_id ${ledger.lastOrderId}; only an empty ledger accepts an ` +
        'import, so name a new file with --ledger',
    );
  }
  return ledger;
}

/** Runs `work`; a failure of SQLite becomes one sentence that names the file. */
function explained<Result>(database: string, work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof SqliteError)) throw error;
    throw new LedgerRefused(`cannot import into ${database}: ${error.message} (${error.code}); nothing was imported`);
  }
}
