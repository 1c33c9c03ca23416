import { resolve } from 'node:path';
import type { ServeSettings } from '../server/settings.ts';
import { makeDefaultFolder } from '../cli/run/ledger-folder.ts';
import type { Ledger } from '../core/ledger.ts';
import type { MetricSources } from '../server/metrics/metrics.ts';
import { mayCreate } from '../core/expected-ledger.ts';
import type { LedgerObserver } from '../core/observers.ts';
import { isPostgresUrl, parsePostgresUrl } from './postgres/connection/postgres-url.ts';

/** A ledger that is served, whichever engine keeps it. */
export interface ServedLedger {
  readonly ledger: Ledger;
  /** For the log: what keeps it, without secrets. */
  readonly name: string;
  readonly sources: Pick<MetricSources, 'lastOrderId' | 'ledgerSizes'>;
}

/** Starts the engine that --ledger asks for; only that one is loaded. Throws where it cannot be. */
export async function startEngine(settings: ServeSettings, observer: LedgerObserver): Promise<ServedLedger> {
  const { ledger: where, ledgerRead, autoCreateStores, create, expectLedgerId } = settings;
  const expected = { create, ledgerId: expectLedgerId === 'none' ? undefined : expectLedgerId };
  if (isPostgresUrl(where)) {
    const { PostgresLedger } = await import('./postgres/postgres-ledger.ts');
    const readUrl = ledgerRead === 'off' ? undefined : ledgerRead;
    const ledger = new PostgresLedger(where, { autoCreateStores, readUrl, expected }, observer);
    const sources = { lastOrderId: () => ledger.lastOrderId, ledgerSizes: async () => undefined };
    return { ledger, name: parsePostgresUrl(where).name, sources };
  }
  if (mayCreate(expected)) await makeDefaultFolder(where);
  const { SqliteLedger } = await import('./sqlite/sqlite-ledger.ts');
  const ledger = new SqliteLedger(where, { autoCreateStores, expected }, observer);
  return {
    ledger,
    name: resolve(where),
    sources: { lastOrderId: () => ledger.lastOrderId, ledgerSizes: () => ledger.fileSizes() },
  };
}
