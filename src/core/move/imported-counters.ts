import type { ImportedStore } from './imported-store.ts';

/** The numbers with which an old shop continues. */
export interface ImportedCounters {
  /** The first order_id that the ledger gives, 1 to 2^63-1. */
  readonly nextOrderId: bigint;
  readonly stores: Iterable<ImportedStore> & { readonly size: number };
}

/** What an import does to one store: creates it, changes its first number, or leaves it unchanged. */
export type StoreChange = ImportedStore & { readonly change: 'make' | 'set' | 'keep' };

/** What an import does, or would do. */
export interface ImportSummary {
  /** Undefined for a ledger that does not exist yet. */
  readonly ledgerId: string | undefined;
  /** The current first order_id of the ledger; undefined if it does not exist yet. */
  readonly currentFirstOrderId: bigint | undefined;
  readonly nextOrderId: bigint;
  readonly stores: number;
  readonly storesMade: number;
  readonly storesSet: number;
  /** False if the import would change nothing. */
  readonly isNeeded: boolean;
}

export type ChangeListener = (change: StoreChange) => void;
export type ProgressListener = (done: number, all: number) => void;
