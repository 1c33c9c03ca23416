import { expect, it } from 'vitest';
import { entryItem } from '../../../src/engines/dynamodb/log/entry-item.ts';
import { readEntry } from '../../../src/engines/dynamodb/log/log-reader.ts';
import { newTableUrl } from '../../support/dynamodb/dynalite.ts';
import { withTable } from '../../support/dynamodb/log-access.ts';
import { OpenedLedger } from '../../support/dynamodb/opened-ledger.ts';
import { RawTable } from '../../support/dynamodb/raw-table.ts';
import { until } from '../../support/until.ts';

it('P9: an entry that does not continue the log is not numbered on', async () => {
  const url = await newTableUrl();
  const opened = await OpenedLedger.open(url);
  await opened.ledger.commit([order('a')]);
  await withTable(url, async (table) => {
    const entry = (await readEntry(table, 1))!;
    // The server that put it has seen another entry 1.
    const next = { ...entry, position: 2, previous: crypto.randomUUID(), batchId: crypto.randomUUID() };
    await table.putNew(entryItem({ ...next, allocations: [] }));
  });
  await expect(opened.ledger.commit([order('b')])).rejects.toMatchObject({ reason: 'LEDGER_DAMAGED' });
  await opened.says(/entry 2 of its log follows/);
});

it('P9: a table whose log is shorter than the one that was served is not opened again', async () => {
  const url = await newTableUrl();
  const { ledger, said, openings } = await OpenedLedger.open(url);
  await ledger.commit([order('a')]);
  await ledger.commit([order('b')]);
  await ledger.indexed();
  const table = await RawTable.of(url);
  await table.deleteAll(/^meta$/);
  await table.deleteAll(/^log#2$/);
  const isOlder = /does not have entry 2 of the log that was served: it is an older copy/;
  await until('the server notices', async () => {
    await ledger.reads.end().catch(() => {});
    return openings.length > 1 || said.some((sentence) => isOlder.test(sentence));
  });
  expect(openings).toHaveLength(1);
});

function order(requestId: string) {
  return { storeId: 7n, requestId, count: 1, caller: '' };
}
