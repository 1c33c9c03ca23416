import type { Allocation, AllocationRequest } from '../../allocation.ts';
import { OrderError } from '../../errors.ts';
import { sequenceExhausted } from '../../ledger-errors.ts';
import type { Outcome } from '../../ledger.ts';
import { storeNotFound } from '../../store.ts';
import type { LedgerPoint } from './confirmed-mark.ts';
import type { Session } from './session.ts';

/** A batch that is committed, and confirmed where a standby is asked for. */
export interface CommittedBatch extends LedgerPoint {
  readonly outcomes: readonly Outcome[];
  /** What it added to the ledger, in order_id order. */
  readonly added: readonly Allocation[];
}

type Numbers = [orderId: bigint, orderNumber: bigint, count: number, createTimeMs: bigint];
type Style = [prefix: string, suffix: string, minDigits: number];
/** As the function returns it. */
type Row = [
  item: number,
  outcome: 'new' | 'replay' | 'exhausted' | 'no store',
  ...Numbers,
  ...Style,
  ledgerEnd: bigint,
  version: bigint,
];

/** One round trip: the whole batch as arrays, one transaction, all outcomes. Prepared once a session. */
const ALLOCATE = {
  name: 'allocate',
  text: 'SELECT * FROM order_numbers.allocate($1, $2, $3, $4, $5)',
  rowMode: 'array',
};

export async function allocate(
  session: Session,
  batch: readonly AllocationRequest[],
  autoCreateStores: boolean,
): Promise<CommittedBatch> {
  const values = [
    batch.map(({ storeId }) => String(storeId)),
    batch.map(({ requestId }) => requestId),
    batch.map(({ count }) => count),
    autoCreateStores,
    session.ledgerId,
  ];
  const rows = (await session.write({ ...ALLOCATE, values })) as unknown as readonly Row[];
  if (rows.length !== batch.length) throw new Error(`the server answered ${rows.length} of ${batch.length} requests`);
  const outcomes: Outcome[] = [];
  let lastOrderId = 0n;
  let version = 0n;
  for (const row of rows) {
    const [item] = row;
    const request = batch[item - 1];
    if (!request) throw new Error(`the server answered item ${item} of a batch of ${batch.length}`);
    outcomes[item - 1] = toOutcome(row, request);
    // Of several transactions' worth, the last one: near its end a batch is numbered one by one.
    if (row[10] > version) [, , , , , , , , , lastOrderId, version] = row;
  }
  const added = outcomes.flatMap((outcome) =>
    'allocation' in outcome && !outcome.replayed ? [outcome.allocation] : [],
  );
  return { outcomes, added, lastOrderId, version, timeline: session.timeline };
}

/**
 * The outcomes of a batch that was sent before. That one may be on its way still: an allocation that it finds is the
 * same, but what refused this one, a store that is not there or is at its end, may have changed by then.
 */
export function asSentBefore(outcomes: readonly Outcome[], batch: readonly AllocationRequest[]): readonly Outcome[] {
  return outcomes.map((outcome, i) => {
    const request = batch[i];
    if (!request || !('refused' in outcome)) return outcome;
    const message = `${outcome.refused.message}; but the numbers may still be allocated: ask again with the same request_id`;
    const fields = { store_id: String(request.storeId), request_id: request.requestId };
    return { refused: new OrderError('OUTCOME_UNKNOWN', message, { fields, cause: outcome.refused }) };
  });
}

function toOutcome([, outcome, ...numbers]: Row, { storeId, requestId }: AllocationRequest): Outcome {
  if (outcome === 'no store') return { refused: storeNotFound(storeId) };
  if (outcome === 'exhausted') return { refused: sequenceExhausted(storeId) };
  const [orderId, orderNumber, count, createTimeMs, prefix, suffix, minDigits] = numbers;
  const allocation: Allocation = {
    orderId,
    storeId,
    orderNumber,
    count,
    requestId,
    createTimeMs: Number(createTimeMs),
    prefix,
    suffix,
    minDigits,
  };
  return { allocation, replayed: outcome === 'replay' };
}
