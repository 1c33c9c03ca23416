import type { Allocation, AllocationRequest } from '../../../core/allocation.ts';
import { perhapsSentBefore, sequenceExhausted, storeNotFound } from '../../../core/refusals.ts';
import type { Outcome } from '../../../core/ledger.ts';
import type { LedgerPoint } from '../ledger-position.ts';
import { MAKE_DURABLE } from '../connection/server-state.ts';
import type { Session } from '../connection/session.ts';

/** A batch that is committed, and confirmed where a standby is asked for. */
export interface CommittedBatch extends LedgerPoint {
  readonly outcomes: readonly Outcome[];
}

type Numbers = [orderId: bigint, orderNumber: bigint, count: number, createTimeMs: bigint];
type Style = [prefix: string, suffix: string, minDigits: number];
type RowOutcome = 'new' | 'replay' | 'exhausted' | 'no store';
type Row = [
  backend: number | null,
  ledgerEnd: bigint,
  version: bigint,
  item: number,
  outcome: RowOutcome,
  ...Numbers,
  ...Style,
];

/** One round trip: the whole batch as arrays, one transaction, all outcomes. The first item's row names the backend. */
const ALLOCATE = `${MAKE_DURABLE}
  SELECT CASE item WHEN 1 THEN backend END, ledger_end, ledger_version, item, outcome, order_id, order_number, count,
    create_time_ms, prefix, suffix, min_digits
  FROM durable, order_numbers.allocate($1, $2, $3, $4, $5)`;

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
  // Prepared once per session, unless its backends change.
  const prepared = session.isShared ? {} : { name: 'allocate' };
  const rows = await session.write<Row>({ ...prepared, rowMode: 'array', text: ALLOCATE, values });
  if (rows.length !== batch.length) throw new Error(`the server answered ${rows.length} of ${batch.length} requests`);
  const outcomes: Outcome[] = [];
  let point = { lastOrderId: 0n, version: 0n };
  for (const [backend, lastOrderId, version, item, outcome, ...numbers] of rows) {
    if (backend !== null) session.ranOn(backend);
    const request = batch[item - 1];
    if (!request) throw new Error(`the server answered item ${item} of a batch of ${batch.length}`);
    outcomes[item - 1] = toOutcome(request, outcome, numbers);
    // Near the end of all order_ids a batch is numbered one by one: where the last one ended.
    if (version > point.version) point = { lastOrderId, version };
  }
  return { outcomes, ...point, timeline: session.timeline };
}

/** The outcomes of a batch that was sent before: what refused a request now may have been otherwise then. */
export function asSentBefore(outcomes: readonly Outcome[], batch: readonly AllocationRequest[]): readonly Outcome[] {
  return outcomes.map((outcome, i) => {
    const request = batch[i];
    return request && 'refused' in outcome ? { refused: perhapsSentBefore(request, outcome.refused) } : outcome;
  });
}

function toOutcome(
  { storeId, requestId }: AllocationRequest,
  outcome: RowOutcome,
  numbers: [...Numbers, ...Style],
): Outcome {
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
