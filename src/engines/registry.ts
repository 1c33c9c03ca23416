import { resolve } from 'node:path';
import type { LedgerObserver } from '../core/observers.ts';
import type { LedgerSettings, ServedLedger } from './engine.ts';
import { isPostgresUrl, parsePostgresUrl } from './postgres/connection/postgres-url.ts';

/** Starts the engine that --ledger asks for; only that one is loaded. Throws where it cannot be. */
export async function startEngine(settings: LedgerSettings, observer: LedgerObserver): Promise<ServedLedger> {
  const { ledger: where, ledgerRead, autoCreateStores, create, expectLedgerId } = settings;
  const expected = { create, ledgerId: expectLedgerId === 'none' ? undefined : expectLedgerId };
  if (isPostgresUrl(where)) {
    const { PostgresLedger } = await import('./postgres/postgres-ledger.ts');
    const readUrl = ledgerRead === 'off' ? undefined : ledgerRead;
    const ledger = new PostgresLedger(where, { autoCreateStores, readUrl, expected }, observer);
    const sources = { lastOrderId: () => ledger.lastOrderId, ledgerSizes: async () => undefined };
    return { ledger, name: parsePostgresUrl(where).name, sources };
  }
  const { SqliteLedger } = await import('./sqlite/sqlite-ledger.ts');
  const ledger = new SqliteLedger(where, { autoCreateStores, expected }, observer);
  return {
    ledger,
    name: resolve(where),
    sources: { lastOrderId: () => ledger.lastOrderId, ledgerSizes: () => ledger.fileSizes() },
  };
}
