import { describe, expect, it } from 'vitest';
import type { Allocated, OrderNumbersClient } from '../../src/client/index.ts';
import { ENGINES } from '../support/engines/engines.ts';
import { faultRun, timeoutMs } from '../faults/frame/fault-run.ts';
import { freeAddress } from '../support/network/free-address.ts';
import { POSTGRES } from '../support/engines/postgres-engine.ts';
import { LocalServer } from '../support/processes/local-server.ts';
import { clientOf } from './fake-server.ts';
import { until } from '../support/until.ts';
import { killedAfterCommitSuite, serveOn } from './killed-after-commit-suite.ts';

const RUN = faultRun('kill', { short: 2, long: 5 });
/** Callers of a client that combines them, and of one that does not. */
const CALLERS = [
  { combine: true, callers: 200 },
  { combine: false, callers: 16 },
];
const STORES = 5;
const ANSWERS_PER_ROUND = 1_000;

killedAfterCommitSuite(POSTGRES);

describe.each(ENGINES)('on $name', (engine) => {
  it(
    'P1 P2 P4 P5: kill -9 under load costs callers only time: each call gets one pair, and no number is lost',
    async () => {
      const ledger = await engine.newLedger();
      const address = await freeAddress();
      const answered: Allocated[] = [];
      const enough = new AbortController();
      const caller = async (client: OrderNumbersClient, storeId: number) => {
        while (!enough.signal.aborted) answered.push(await client.allocate({ storeId }));
      };
      const callers = Promise.all(
        CALLERS.flatMap(({ combine, callers: length }) => {
          const client = clientOf(address, { combine, timeoutMs: 50_000 });
          return Array.from({ length }, (_, i) => caller(client, 1 + (i % STORES)));
        }),
      );
      // If a caller failed, the rounds would wait forever.
      const failed = callers.then(() => {});
      for (let round = 1; round <= RUN.rounds; round++) {
        const server = await serveOn(address, ledger);
        await Promise.race([answers(answered, round * ANSWERS_PER_ROUND), failed]);
        await server.kill();
      }
      // Nothing kills the last one.
      const server = new LocalServer(ledger, { args: ['--grpc-listen', address] });
      await Promise.race([answers(answered, (RUN.rounds + 1) * ANSWERS_PER_ROUND), failed]);
      enough.abort();
      await callers;
      expect(await server.stop()).toBe(0);

      // Every row was returned unchanged to one call only: no caller used a second request_id.
      const rows = (await engine.assertDense(ledger)).map(({ order_id, store_id, order_number, request_id }) =>
        [order_id, store_id, order_number, request_id].join(' '),
      );
      const given = answered
        .toSorted((a, b) => Number(a.orderId - b.orderId))
        .map(({ orderId, storeId, orderNumber, requestId }) => [orderId, storeId, orderNumber, requestId].join(' '));
      expect(given).toEqual(rows);
    },
    timeoutMs(RUN),
  );
});

/** Resolves when there are this many. */
function answers(answered: readonly Allocated[], count: number): Promise<void> {
  return until(`${count} calls are answered`, () => answered.length >= count);
}
