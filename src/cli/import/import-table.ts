import type { StoreSink } from '../../core/move/imported-store.ts';
import type { SampleTable } from '../../engines/dynamodb/operator/sample-table.ts';
import { Problems } from './import-rows.ts';
import { SampleItems } from './sample-items.ts';

/**
 * Reads the table of the original sample where it is. Returns the next order_id. Throws LedgerRefused with all problems of
 * the table. A scan has all of it, so nothing else has to show that it is whole.
 */
export async function readSampleTable(
  table: SampleTable,
  stores: StoreSink,
  {
    name,
    signal,
    onProgress,
  }: {
    readonly name: string;
    readonly signal: AbortSignal;
    /** How many items were read. */
    readonly onProgress: (items: number) => void;
  },
): Promise<bigint> {
  let done = 0;
  // A table has no lines: what is wrong says the number of its item in this scan, and its value.
  const items = new SampleItems(stores, new Problems(name), (at) => `item ${at}`);
  for await (const page of table.pages()) {
    signal.throwIfAborted();
    for (const item of page) items.add(item, ++done);
    onProgress(done);
  }
  return items.finish(true);
}
