import type { LedgerObserver } from '../core/observers.ts';
import type { LedgerSource } from '../core/move/ledger-source.ts';
import type { LedgerTarget } from '../core/move/ledger-target.ts';
import type { VerifyEvent } from '../core/verify/events.ts';
import type { EngineName } from './capabilities.ts';
import { withSdk } from './dynamodb/connection/sdk.ts';
import type { Engine, LedgerLook, LedgerSettings, ServedLedger } from './engine.ts';
import { engineOf, ledgerName } from './location.ts';

/** What verifies the ledger at a place by itself. */
type Verifier = (ledger: string, storeId: bigint | undefined) => AsyncIterable<VerifyEvent>;

/** What looks at the ledger of these settings without changing anything. */
type Onlooker = (settings: LedgerSettings) => Promise<LedgerLook>;

/** What opens the ledger at a place that another one moves to or from. */
type SourceOpener = (ledger: string, signal: AbortSignal) => Promise<LedgerSource>;
type TargetOpener = (ledger: string, signal: AbortSignal) => Promise<LedgerTarget>;

/** An engine's entry points. Each loads what it needs, and nothing of another engine. */
interface EntryPoints {
  load(): Promise<Engine>;
  loadVerifier(): Promise<Verifier>;
  loadOnlooker(): Promise<Onlooker>;
  loadMoveSource(): Promise<SourceOpener>;
  loadMoveTarget(): Promise<TargetOpener>;
}

const ENGINES: Readonly<Record<EngineName, EntryPoints>> = {
  sqlite: {
    load: () => import('./sqlite/engine.ts'),
    loadVerifier: async () => (await import('./sqlite/operator/verify-file.ts')).verifyLedgerFile,
    loadOnlooker: async () => (await import('./sqlite/operator/look-at-file.ts')).lookAtFile,
    loadMoveSource: async () => (await import('./sqlite/operator/move/move-source.ts')).openMoveSource,
    loadMoveTarget: async () => (await import('./sqlite/operator/move/move-target.ts')).openMoveTarget,
  },
  postgres: {
    load: () => import('./postgres/engine.ts'),
    loadVerifier: async () => (await import('./postgres/operator/verify-database.ts')).verifyPostgresLedger,
    loadOnlooker: async () => (await import('./postgres/operator/look-at-database.ts')).lookAtDatabase,
    loadMoveSource: async () => (await import('./postgres/operator/move-source.ts')).openMoveSource,
    loadMoveTarget: async () => (await import('./postgres/operator/move-target.ts')).openMoveTarget,
  },
  dynamodb: {
    load: () => withSdk(() => import('./dynamodb/engine.ts')),
    loadVerifier: async () => (await withSdk(() => import('./dynamodb/operator/verify-table.ts'))).verifyTable,
    loadOnlooker: async () => (await withSdk(() => import('./dynamodb/operator/look-at-table.ts'))).lookAtTable,
    loadMoveSource: async () => (await withSdk(() => import('./dynamodb/operator/move/move-source.ts'))).openMoveSource,
    loadMoveTarget: async () => (await withSdk(() => import('./dynamodb/operator/move/move-target.ts'))).openMoveTarget,
  },
};

/** Starts the engine that --ledger means. Rejects if its settings rule that out. */
export async function startEngine(settings: LedgerSettings, observer: LedgerObserver): Promise<ServedLedger> {
  const engine = await ENGINES[engineOf(settings.ledger)].load();
  return engine.openLedger(settings, observer);
}

/** Looks at the ledger that --ledger means without opening it. Creates and changes nothing. */
export async function lookAtLedger(settings: LedgerSettings): Promise<LedgerLook> {
  const look = await ENGINES[engineOf(settings.ledger)].loadOnlooker();
  return look(settings);
}

/** A ledger that is verified by itself, whether a server runs on it or not. */
export interface VerifiedLedger {
  /** Without secrets. */
  readonly name: string;
  /** See LedgerReads.verify. Only now its engine is loaded; what rules a verification out is thrown by the iteration. */
  verify(storeId: bigint | undefined): AsyncIterable<VerifyEvent>;
}

/** The ledger at a place that --ledger may name, to be verified. */
export function verifiedLedgerAt(location: string): VerifiedLedger {
  return { name: ledgerName(location), verify: (storeId) => verifyAt(location, storeId) };
}

async function* verifyAt(location: string, storeId: bigint | undefined): AsyncGenerator<VerifyEvent> {
  const verify = await ENGINES[engineOf(location)].loadVerifier();
  yield* verify(location, storeId);
}

/** Opens the ledger that --ledger means, to move it elsewhere. See {@link LedgerSource}. */
export async function openMoveSource(location: string, signal: AbortSignal): Promise<LedgerSource> {
  const open = await ENGINES[engineOf(location)].loadMoveSource();
  return open(location, signal);
}

/** Opens the place that --ledger means, to move a ledger there. See {@link LedgerTarget}. */
export async function openMoveTarget(location: string, signal: AbortSignal): Promise<LedgerTarget> {
  const open = await ENGINES[engineOf(location)].loadMoveTarget();
  return open(location, signal);
}
