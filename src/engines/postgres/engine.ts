import type { LedgerObserver } from '../../core/observers.ts';
import type { LedgerSettings, ServedLedger } from '../engine.ts';
import { expectedLedger } from '../engine.ts';
import { parsePostgresUrl } from './connection/postgres-url.ts';
import { PostgresLedger } from './postgres-ledger.ts';

/**
 * Serves the ledger in the PostgreSQL database that the settings name. Throws an Error for a URL that cannot be used.
 */
export async function openLedger(settings: LedgerSettings, observer: LedgerObserver): Promise<ServedLedger> {
  const { ledger: url, ledgerRead, autoCreateStores } = settings;
  const readUrl = ledgerRead === 'off' ? undefined : ledgerRead;
  const ledger = new PostgresLedger(url, { autoCreateStores, readUrl, expected: expectedLedger(settings) }, observer);
  return {
    ledger,
    name: parsePostgresUrl(url).name,
    file: undefined,
    sources: { lastOrderId: () => ledger.lastOrderId, ledgerSizes: async () => undefined },
  };
}
