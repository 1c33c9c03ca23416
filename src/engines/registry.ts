import type { LedgerObserver } from '../core/observers.ts';
import type { VerifyEvent } from '../core/verify/events.ts';
import type { Engine, LedgerSettings, ServedLedger } from './engine.ts';
import { isPostgresUrl, parsePostgresUrl } from './postgres/connection/postgres-url.ts';

/** Starts the engine that --ledger asks for; only that one is loaded. Throws where it cannot be. */
export async function startEngine(settings: LedgerSettings, observer: LedgerObserver): Promise<ServedLedger> {
  const engine: Engine = isPostgresUrl(settings.ledger)
    ? await import('./postgres/engine.ts')
    : await import('./sqlite/engine.ts');
  return engine.openLedger(settings, observer);
}

/** A ledger that is verified by itself, whether a server runs on it or not. */
export interface VerifiedLedger {
  /** Without secrets. */
  readonly name: string;
  /** See LedgerReads.verify. Only now its engine is loaded; what rules a verification out is thrown by the iteration. */
  verify(storeId: bigint | undefined): AsyncIterable<VerifyEvent>;
}

/** The ledger in an SQLite file or a PostgreSQL database, to be verified. */
export function verifiedLedgerAt(location: string): VerifiedLedger {
  return isPostgresUrl(location)
    ? { name: parsePostgresUrl(location).name, verify: (storeId) => verifyDatabase(location, storeId) }
    : { name: location, verify: (storeId) => verifyFile(location, storeId) };
}

async function* verifyDatabase(url: string, storeId: bigint | undefined): AsyncGenerator<VerifyEvent> {
  const { verifyPostgresLedger } = await import('./postgres/operator/verify-database.ts');
  yield* verifyPostgresLedger(url, storeId);
}

async function* verifyFile(path: string, storeId: bigint | undefined): AsyncGenerator<VerifyEvent> {
  const { verifyLedgerFile } = await import('./sqlite/operator/verify-file.ts');
  yield* verifyLedgerFile(path, storeId);
}
