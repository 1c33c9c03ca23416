import { Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { Allocator } from '../../../src/core/allocator.ts';
import type { Answer } from '../../../src/core/calls/batch-call.ts';
import { WaitLimit } from '../../../src/server/http/wait-limit.ts';
import { AnsweredOrders, WaitingOrder } from '../../../src/server/http/waiting-order.ts';
import { MemoryLedger } from '../../support/engines/memory-ledger.ts';

const ORDER = { storeId: 7n, count: 1, requestId: 'cart-1', caller: '' };

it('an order that has its answer no longer counts for the wait limit', async () => {
  const { order, told, held, limit } = await waitingOrder();
  expect(order.signal.place).toBe(0);
  held.release();
  expect(await told.first).toMatchObject({ allocation: { orderId: 1n } });
  expect(order.signal.place).toBe(-1);
  expect(limit.leave(order)).toBe(false);
});

it('P7: an order that was given up is told once that its outcome is unknown, whatever became of its batch', async () => {
  const { order, told, held, limit, ledger } = await waitingOrder();
  expect(limit.leave(order)).toBe(true);
  order.giveUp();
  held.release();
  expect(await told.first).toMatchObject({ reason: 'OUTCOME_UNKNOWN', fields: { request_id: 'cart-1' } });
  await turn();
  expect(told.answers).toHaveLength(1);
  expect(ledger.batches).toHaveLength(1);
});

/** An order whose batch is on its way to a ledger that waits. */
async function waitingOrder() {
  const ledger = new MemoryLedger();
  const queue = { maxBatch: 1000, maxQueue: 10_000, maxQueueShare: 0.5, requireRequestId: false };
  const limit = new WaitLimit(60_000);
  const room = { allocator: new Allocator({ ledger, ...queue }), limit, answered: new AnsweredOrders() };
  const answers: Answer[] = [];
  const first = Promise.withResolvers<Answer>();
  const tell = (answer: Answer) => {
    answers.push(answer);
    first.resolve(answer);
  };
  const held = ledger.holdNext();
  const order = new WaitingOrder(ORDER, 'shop', new Socket(), room, tell);
  order.enter();
  await held.begun;
  return { order, limit, held, ledger, told: { answers, first: first.promise } };
}
