import type { AllocationRequest } from '../../../../src/core/allocation.ts';
import type { CommitListener, Ledger, LedgerReads, Outcome } from '../../../../src/core/ledger.ts';
import type { ChangedStore, Store, StoreChanges, StoreSettings } from '../../../../src/core/store.ts';
import { passes } from './points.ts';

/** A ledger as it is, with points on both sides of a commit. */
export class LedgerWithPoints implements Ledger {
  readonly #inner: Ledger;

  constructor(inner: Ledger) {
    this.#inner = inner;
  }

  get reads(): LedgerReads {
    return this.#inner.reads;
  }

  ready(): Promise<void> {
    return this.#inner.ready();
  }

  async commit(batch: readonly AllocationRequest[]): Promise<readonly Outcome[]> {
    passes('batch formed');
    const outcomes = await this.#inner.commit(batch);
    passes('before the replies');
    return outcomes;
  }

  createStore(store: StoreSettings): Promise<Store> {
    return this.#inner.createStore(store);
  }

  updateStore(storeId: bigint, changes: StoreChanges): Promise<ChangedStore> {
    return this.#inner.updateStore(storeId, changes);
  }

  onCommitted(listener: CommitListener): () => void {
    return this.#inner.onCommitted(listener);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}
