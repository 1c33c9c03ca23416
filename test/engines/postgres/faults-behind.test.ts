import { expect, it } from 'vitest';
import { INT64_MAX } from '../../../src/core/allocation.ts';
import { DEFAULT_STORE } from '../../../src/core/store.ts';
import { newDatabaseWithSchema } from '../../support/postgres/database-with-schema.ts';
import { query } from '../../support/postgres/query.ts';
import { assertDense } from '../../support/postgres/density.ts';
import { LocalServer } from '../../support/processes/local-server.ts';
import { until } from '../../support/until.ts';
import { OpenedLedger, proxiedDatabase } from './opened-ledger.ts';

it('P9: an older copy put back under a live session is refused, and none of its numbers is returned', async () => {
  const url = await newDatabaseWithSchema();
  const opened = await OpenedLedger.open(url);
  for (const requestId of ['a', 'b', 'c']) await opened.allocate(requestId);
  await query(
    url,
    `WITH rows AS (DELETE FROM order_numbers.allocations WHERE order_id > 1),
       stores AS (UPDATE order_numbers.stores SET last_number = 100)
     UPDATE order_numbers.ledger SET last_order_id = 1, version = 2`,
  );
  const answers: unknown[] = [];
  void opened.allocate('d').then(
    (answer) => answers.push(answer),
    () => {},
  );
  await opened.says(/but 3 was already given/);
  expect(answers).toEqual([]);
});

it('P9: another ledger put in place of the open one is refused, however far it is, and stays unchanged', async () => {
  const url = await newDatabaseWithSchema();
  const opened = await OpenedLedger.open(url);
  await opened.allocate('a');
  await query(url, `UPDATE order_numbers.ledger SET ledger_id = 'another', version = version + 100`);
  await expect(opened.allocate('b')).rejects.toThrow(/another ledger than .* is here/);
  await opened.says(/has ledger another, but .* was served/);
  expect(await assertDense(url)).toHaveLength(1);
});

it('a read standby that does not answer is reported once, and reads go to the primary', async () => {
  const url = await newDatabaseWithSchema();
  const opened = await OpenedLedger.open(url, { readUrl: 'postgres://postgres@127.0.0.1:1/nowhere' });
  await opened.allocate('a');
  for (let i = 0; i < 3; i++) {
    expect(await opened.ledger.reads.getAllocation({ orderId: 1n })).toMatchObject({ requestId: 'a' });
  }
  expect(opened.said.filter((sentence) => sentence.includes('the standby of --ledger-read does not answer'))).toEqual([
    expect.stringContaining('ECONNREFUSED 127.0.0.1:1'),
  ]);
});

it('P7: a refusal of a batch that was sent before is an unknown outcome: the first copy may still be numbered', async () => {
  const { url, proxy, proxiedUrl } = await proxiedDatabase();
  const opened = await OpenedLedger.open(proxiedUrl.replace(proxy.address, `${proxy.address},${new URL(url).host}`));
  await opened.ledger.createStore({ ...DEFAULT_STORE, storeId: 7n, firstNumber: INT64_MAX });
  proxy.stall();
  expect(await opened.ledger.commit([{ storeId: 7n, requestId: 'late', count: 2, caller: '' }])).toMatchObject([
    { refused: { reason: 'OUTCOME_UNKNOWN' } },
  ]);
  await opened.ledger.updateStore(7n, { firstNumber: 100n });
  await proxy.flow();
  await until('the first copy is numbered', async () => (await assertDense(url)).length === 1);
});

it('a server whose network to the ledger fell silent stops on a signal', async () => {
  const { proxy, proxiedUrl } = await proxiedDatabase();
  const server = new LocalServer(proxiedUrl);
  await server.serving();
  proxy.stall();
  expect(await server.stop()).toBe(0);
});
