/** A store that is carried over, and where it goes on. */
export interface ImportedStore {
  /** 1 to 2^63-1. */
  readonly storeId: bigint;
  /** The order_number it goes on with, 1 to 2^63-1. */
  readonly nextNumber: bigint;
}

/** What takes the stores of a file. */
export interface StoreSink {
  /** Takes the store on this line; or takes nothing, and returns the line that had the store before. */
  add(store: ImportedStore, line: number): number | undefined;
}
