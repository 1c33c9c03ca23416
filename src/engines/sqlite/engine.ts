import { resolve } from 'node:path';
import type { LedgerObserver } from '../../core/observers.ts';
import type { LedgerSettings, ServedLedger } from '../engine.ts';
import { expectedLedger } from '../engine.ts';
import { SqliteLedger } from './sqlite-ledger.ts';

/** Serves the ledger in the SQLite file that the settings name. Throws LedgerRefused if another process owns it. */
export async function openLedger(settings: LedgerSettings, observer: LedgerObserver): Promise<ServedLedger> {
  const { ledger: file, autoCreateStores } = settings;
  const ledger = new SqliteLedger(file, { autoCreateStores, expected: expectedLedger(settings) }, observer);
  return {
    ledger,
    name: resolve(file),
    file,
    sources: { lastOrderId: () => ledger.lastOrderId, ledgerSizes: () => ledger.fileSizes() },
  };
}
