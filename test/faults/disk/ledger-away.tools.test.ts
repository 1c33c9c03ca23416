import { expect, it, onTestFinished } from 'vitest';
import { connect, errorDetails, failureOf } from '../../support/clients/orders-client.ts';
import { ServerProcess } from '../../support/processes/server-process.ts';
import { SQLITE } from '../../support/engines/sqlite-engine.ts';

// A restarted server does not wait for readers: see "serves at once beside a reader" in the tests of SqliteLedger.

it('P4 P7: after a failed commit a reader of an old state keeps the file closed, and the log names its process', async (test) => {
  const faulty = await SQLITE.newFaultyLedger(test);
  const server = new ServerProcess(faulty.ledger, faulty.options);
  const client = connect(await server.serving());
  onTestFinished(() => client.close());
  await client.allocateOrder({ storeId: 1n, requestId: 'one' });
  await faulty.makeUnavailable();
  const error = await failureOf(client.allocateOrder({ storeId: 1n, requestId: 'failed' }));
  expect(errorDetails(error)).toMatchObject({ reason: 'OUTCOME_UNKNOWN' });
  const why = await server.line(/cannot be opened yet/);
  expect(why.msg).toContain(`process ${process.pid} (`);
  expect(why.msg).toMatch(faulty.unavailableReason);
  expect(await client.checkHealth()).toBe('NOT_SERVING');

  const fresh = client.allocateOrder({ storeId: 1n, requestId: 'two' });
  await faulty.makeAvailable();
  expect(await fresh).toMatchObject({ allocation: { orderId: 2n, orderNumber: 101n }, replayed: false });
  expect(await SQLITE.assertDense(faulty.ledger)).toHaveLength(2);
});
