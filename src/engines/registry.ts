import type { LedgerObserver } from '../core/observers.ts';
import type { Engine, LedgerSettings, ServedLedger } from './engine.ts';
import { expectedLedger } from './engine.ts';
import { isPostgresUrl, parsePostgresUrl } from './postgres/connection/postgres-url.ts';

/** Starts the engine that --ledger asks for; only that one is loaded. Throws where it cannot be. */
export async function startEngine(settings: LedgerSettings, observer: LedgerObserver): Promise<ServedLedger> {
  if (isPostgresUrl(settings.ledger)) return openPostgres(settings, observer);
  const engine: Engine = await import('./sqlite/engine.ts');
  return engine.openLedger(settings, observer);
}

async function openPostgres(settings: LedgerSettings, observer: LedgerObserver): Promise<ServedLedger> {
  const { ledger: url, ledgerRead, autoCreateStores } = settings;
  const { PostgresLedger } = await import('./postgres/postgres-ledger.ts');
  const readUrl = ledgerRead === 'off' ? undefined : ledgerRead;
  const options = { autoCreateStores, readUrl, expected: expectedLedger(settings) };
  const ledger = new PostgresLedger(url, options, observer);
  const sources = { lastOrderId: () => ledger.lastOrderId, ledgerSizes: async () => undefined };
  return { ledger, name: parsePostgresUrl(url).name, file: undefined, sources };
}
