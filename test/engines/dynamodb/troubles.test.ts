import { setImmediate } from 'node:timers/promises';
import { QueryCommand } from '@aws-sdk/client-dynamodb';
import { expect, it } from 'vitest';
import { newTableUrl } from '../../support/dynamodb/dynalite.ts';
import { append, overwrite, withTable } from '../../support/dynamodb/log-access.ts';
import { OpenedLedger } from '../../support/dynamodb/opened-ledger.ts';
import { proxiedTable } from '../../support/dynamodb/proxied-table.ts';
import { RawTable } from '../../support/dynamodb/raw-table.ts';
import { refusedProcess, refusedStart } from '../../support/processes/refused-start.ts';
import { readEntry } from '../../../src/engines/dynamodb/log/log-reader.ts';

/** Requests that the SDK's client sends at the same time; the others wait, and may run out of time. */
const SOCKETS = 50;

it('a role that may not write what follows from the log is warned of, and nothing is lost', async () => {
  const { url, proxy } = await proxiedTable();
  const opened = await OpenedLedger.open(url);
  proxy.deny('BatchWriteItem');
  const [first] = await opened.ledger.commit([order('a')]);
  await opened.says(/does not take what follows from the log \(not authorized to perform: dynamodb:BatchWriteItem\)/);
  expect(await opened.ledger.commit([order('a')])).toMatchObject([{ ...first, replayed: true }]);
  proxy.allowAll();
  await opened.ledger.indexed();
  expect(await opened.ledger.reads.getAllocation({ orderId: 1n })).toMatchObject({ requestId: 'a' });
});

it('P7: an entry that cannot be read ends the write that meets it, and is named', async () => {
  const url = await newTableUrl();
  const opened = await OpenedLedger.open(url);
  // Somebody else takes the next position, with something of another release.
  await withTable(url, async (table, client) => {
    await append(table, {});
    await overwrite(client, table, (await readEntry(table, 1))!, '{"stores":0}');
  });
  await expect(opened.ledger.commit([order('a')])).rejects.toMatchObject({ reason: 'LEDGER_DAMAGED' });
  await opened.says(/entry 1 of its log cannot be read/);
});

it('P7: while the table is away, an order of which nothing was sent waits for it', async () => {
  const { url, proxy } = await proxiedTable();
  const { ledger } = await OpenedLedger.open(url);
  proxy.refuse();
  const waiting = ledger.commit([order('a')]);
  await expect
    .poll(() => ledger.reads.end().catch((error: unknown) => error))
    .toMatchObject({
      reason: 'LEDGER_REOPENING',
    });
  await proxy.allow();
  expect(await waiting).toMatchObject([{ allocation: { orderId: 1n }, replayed: false }]);
});

it('a log of a newer release ends the start, with what to do', async () => {
  const url = await newTableUrl();
  await (await OpenedLedger.open(url)).ledger.close();
  await (await RawTable.of(url)).change(/^log#0$/, { format: { N: '2' } });
  expect(await refusedStart(url)).toMatch(
    /^the log of dynamodb:\S+ has format 2, .*; use the newer release that wrote it$/,
  );
});

it('a server that finds no credentials says so in one line, and ends', async () => {
  const env = {
    AWS_ACCESS_KEY_ID: '',
    AWS_SECRET_ACCESS_KEY: '',
    AWS_CONFIG_FILE: '/dev/null',
    AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
    AWS_EC2_METADATA_DISABLED: 'true',
  };
  expect(await refusedProcess('dynamodb://orders?region=eu-central-1', { env })).toBe(
    'dynamodb://orders?region=eu-central-1 cannot be used (Could not load credentials from any providers); give the ' +
      'credentials of a role that may use the table, as variables, a profile or a role of the machine',
  );
});

it('the stores of a batch and of a list are looked up beside each other, but leave connections to others', async () => {
  const url = await newTableUrl();
  const { ledger } = await OpenedLedger.open(url);
  await ledger.commit(batchOf('a'));
  // Servers keep what is not indexed yet.
  await ledger.indexed();
  const numbering = new Queries();
  const other = await OpenedLedger.open(url, true, numbering.before);
  expect(await other.ledger.commit(batchOf('b'))).toHaveLength(60);
  expect(numbering.mostAtOnce).toBeGreaterThan(10);
  expect(numbering.mostAtOnce).toBeLessThan(SOCKETS);
  await other.ledger.indexed();
  const listing = new Queries();
  const { reads } = (await OpenedLedger.open(url, true, listing.before)).ledger;
  expect(await reads.listStores({ afterStoreId: 0n, upToStoreId: 1000n, limit: 1000 })).toHaveLength(60);
  expect(listing.mostAtOnce).toBeGreaterThan(10);
  expect(listing.mostAtOnce).toBeLessThan(SOCKETS);
});

/** Counts the queries that are under way at the same time, each for some turns of the event loop. */
class Queries {
  mostAtOnce = 0;
  #now = 0;

  readonly before = async (command: object): Promise<void> => {
    if (!(command instanceof QueryCommand)) return;
    this.mostAtOnce = Math.max(this.mostAtOnce, ++this.#now);
    for (let turns = 0; turns < 10; turns++) await setImmediate();
    this.#now--;
  };
}

function batchOf(requestId: string) {
  return Array.from({ length: 60 }, (_, i) => ({ storeId: BigInt(i + 1), requestId, count: 1, caller: '' }));
}

function order(requestId: string) {
  return { storeId: 7n, requestId, count: 1, caller: '' };
}
