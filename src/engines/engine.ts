import type { ExpectedLedger } from '../core/expected-ledger.ts';
import type { Ledger } from '../core/ledger.ts';
import type { LedgerObserver } from '../core/observers.ts';

/** What every engine's engine.ts exports: the one door through which a server opens a ledger. */
export interface Engine {
  /** Begins to open the ledger. Throws if the settings, or what they point to, rule that out. */
  openLedger(settings: LedgerSettings, observer: LedgerObserver): Promise<ServedLedger>;
}

/** Which ledger to serve, and how. */
export interface LedgerSettings {
  /** Path of the SQLite ledger, or the URL of a PostgreSQL database or of a DynamoDB table. */
  readonly ledger: string;
  /** The URL of a standby for reads. */
  readonly ledgerRead: string | 'off';
  readonly autoCreateStores: boolean;
  /** Whether a ledger may be created if there is none. */
  readonly create: boolean;
  /** The only ledger to serve; another one is refused. */
  readonly expectLedgerId: string | 'none';
}

/** A ledger that is served, whichever engine keeps it. */
export interface ServedLedger {
  readonly ledger: Ledger;
  /** For the log: what keeps it, without secrets. */
  readonly name: string;
  /** Path of its file; undefined if the engine keeps none. */
  readonly file: string | undefined;
  readonly sources: LedgerSources;
}

/** What a read-only look at a ledger found, without opening the ledger. Whole sentences, for an operator. */
export interface LedgerLook {
  /** What a server would find or create there; undefined if a problem covers it. */
  readonly found: string | undefined;
  /** Undefined if there is none, or if it cannot be read. */
  readonly ledgerId: string | undefined;
  readonly lastOrderId: bigint | undefined;
  /** What would keep a server from allocating numbers; each names the remedy. */
  readonly problems: readonly string[];
  readonly warnings: readonly string[];
  /** What only a start can tell. */
  readonly notChecked: readonly string[];
}

/** What each scrape of the metrics reads from a ledger. */
export interface LedgerSources {
  lastOrderId(): bigint;
  /** Undefined if the engine keeps no files. */
  ledgerSizes(): Promise<LedgerSizes | undefined>;
}

/** In bytes. */
export interface LedgerSizes {
  readonly database: number;
  readonly wal: number;
}

/** The settings that say which ledger is expected, as the core has them. */
export function expectedLedger({ create, expectLedgerId }: LedgerSettings): ExpectedLedger {
  return { create, ledgerId: expectLedgerId === 'none' ? undefined : expectLedgerId };
}
