/** A store to import, and the number that it continues with. */
export interface ImportedStore {
  /** 1 to 2^63-1. */
  readonly storeId: bigint;
  /** The order_number that it continues with, 1 to 2^63-1. */
  readonly nextNumber: bigint;
}

/** Receives the stores of a file. */
export interface StoreSink {
  /** Takes the store on this line. For a duplicate it takes nothing and returns the line that had the store first. */
  add(store: ImportedStore, line: number): number | undefined;
}
