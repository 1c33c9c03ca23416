import { LedgerRefused } from '../../../core/errors.ts';
import { textOf } from '../table/item.ts';
import { logKey } from '../table/keys.ts';
import type { Table } from '../table/table.ts';
import type { Head } from './ledger-view.ts';

/** How old the last proof may be. */
const PROOF_MS = 1000;

/** The proof that the table is still the one that was served, and no older copy in its place: it has the head. */
export class HeadProof {
  readonly #table: Table;
  #at = -Infinity;

  constructor(table: Table) {
    this.#table = table;
  }

  /** The table was seen with its head, which began at that time by performance.now(). */
  renew(at: number): void {
    this.#at = Math.max(this.#at, at);
  }

  /** Rejects with LedgerRefused if the head is not there any more; of a proof that is not too old, nothing is read. */
  async require({ position, batchId }: Head): Promise<void> {
    const now = performance.now();
    if (now - this.#at <= PROOF_MS) return;
    const item = await this.#table.get(logKey(position));
    if (!item || textOf(item, 'batch') !== batchId) {
      throw new LedgerRefused(`the table ${this.#table.name} does not have entry ${position} of the log any more`);
    }
    this.renew(now);
  }
}
