import assert from 'node:assert/strict';
import type { DenseRow } from '../../support/ledgers/dense-rows.ts';
import type { Answered, History } from './history.ts';
import { isIndefinite, textOf, textOfRow } from './history.ts';

/**
 * Compares the history with the rows of the ledger, which are dense, while no call is in progress and every request has
 * been answered.
 */
export function assertKept(history: History, rows: readonly DenseRow[]): void {
  assert.deepEqual(history.contradictions, [], 'two answers contradict each other');
  const inLedger = new Map(rows.map((row) => [row.order_id, textOfRow(row)]));
  // P4, P5: exactly as it was answered, and to one request only.
  const given = history.answered.map(({ answer }) => textOf(answer));
  const lost = history.answered.filter(({ answer }) => inLedger.get(answer.orderId) !== textOf(answer));
  assert.deepEqual(
    lost.map(({ answer }) => textOf(answer)),
    [],
    'acknowledged pairs are not in the ledger',
  );
  assert.equal(new Set(given).size, given.length, 'a pair was given to two requests');
  // P5: no request was retried with another request_id, so a row that answers no call is one too many.
  assert.equal(rows.length, given.length, 'the ledger has rows that answer no call');
  const gone = [...history.seen].filter(([orderId, text]) => inLedger.get(orderId) !== text);
  assert.deepEqual(
    gone.map(([, text]) => text),
    [],
    'a row that a reader or a watcher saw is gone',
  );
  assertInOrder(history.answered);
  for (const { error } of history.failed) assert.ok(isIndefinite(error), `a call was refused: ${String(error)}`);
}

/** P3: of two calls that did not overlap, the later has the higher pair. */
export function assertInOrder(answered: readonly Answered[]): void {
  const byEnd = answered.toSorted((a, b) => a.endMs - b.endMs);
  const greatestNumber = new Map<bigint, bigint>();
  let greatestOrderId = 0n;
  let ended = 0;
  for (const { startMs, storeId, answer } of answered.toSorted((a, b) => a.startMs - b.startMs)) {
    for (let before = byEnd[ended]; before && before.endMs < startMs; before = byEnd[++ended]) {
      const { orderId, orderNumber } = before.answer;
      if (orderId > greatestOrderId) greatestOrderId = orderId;
      if (orderNumber > (greatestNumber.get(before.storeId) ?? 0n)) greatestNumber.set(before.storeId, orderNumber);
    }
    assert.ok(
      answer.orderId > greatestOrderId,
      `${textOf(answer)} was asked for after ${greatestOrderId} was answered`,
    );
    const number = greatestNumber.get(storeId) ?? 0n;
    assert.ok(answer.orderNumber > number, `${textOf(answer)} was asked for after ${number} of its store was answered`);
  }
}
