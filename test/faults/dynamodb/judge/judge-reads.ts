import type { Allocation } from '../../../../src/core/allocation.ts';
import { lastOrderIdOf } from '../../../../src/core/allocation.ts';
import type { AllocationKey } from '../../../../src/core/ledger.ts';
import type { Store } from '../../../../src/core/store.ts';
import type { LogWalk } from './log-walk.ts';
import type { SeenRead } from './seen.ts';

type Violated = (sentence: string) => void;

/** Judges reads: what was in the log before a read began, it shows; and nothing that is not there when it ends. */
export function judgeReads(log: LogWalk, reads: readonly SeenRead[], violated: Violated): void {
  for (const read of reads) if (read.refused === undefined) judgeRead(log, read, violated);
}

function judgeRead(log: LogWalk, read: SeenRead, violated: Violated): void {
  const [least, most] = [log.headBefore(read.start), log.headBefore(read.end)];
  if (read.what === 'get store') {
    if (!isState(log, read.storeId, read.answer, least, most)) {
      violated(`store ${read.storeId} was shown as it was neither then nor before`);
    }
  } else if (read.what === 'look up') {
    judgeLookUp(log, read.key, read.answer, least, violated);
  } else if (read.what === 'list allocations') {
    const due = listed(log, read);
    const isWhole = due.length === read.answer!.length && due.every((row, i) => isRow(row, read.answer![i]!));
    if (!isWhole) violated(`a list of allocations has ${read.answer!.length} rows and not the ${due.length} due ones`);
  } else if (read.what === 'list stores') {
    judgeStores(log, read.answer!, least, most, violated);
  } else if (read.what === 'end') {
    const { ledgerId, lastOrderId } = read.answer!;
    if (ledgerId !== log.ledgerId) violated('the end of another ledger was told');
    if (lastOrderId < log.lastOrderIdAt(least)) violated(`the end ${lastOrderId} was told, which was passed before`);
    if (lastOrderId > log.lastOrderIdAt(most)) violated(`the end ${lastOrderId} was told, which is not reached`);
  } else {
    for (const event of read.answer!) {
      if (event.kind === 'finding') violated(`a verification beside live servers found: ${event.message}`);
    }
  }
}

function judgeLookUp(
  log: LogWalk,
  key: AllocationKey,
  answer: Allocation | undefined,
  least: number,
  violated: Violated,
): void {
  const row = log.rows.find((each) => covers(each, key));
  if (answer && !(row && isRow(row, answer))) violated(`P5: a look-up of order_id ${answer.orderId} found another row`);
  if (!answer && row && log.positionOf(row) <= least) {
    violated(`P4: a look-up does not find order_id ${row.orderId}, which was there before`);
  }
}

function covers(row: Allocation, key: AllocationKey): boolean {
  if ('orderId' in key) return key.orderId >= row.orderId && key.orderId <= lastOrderIdOf(row);
  if (row.storeId !== key.storeId) return false;
  if ('requestId' in key) return row.requestId === key.requestId;
  return key.orderNumber >= row.orderNumber && key.orderNumber < row.orderNumber + BigInt(row.count);
}

function listed(log: LogWalk, { range }: Extract<SeenRead, { what: 'list allocations' }>): readonly Allocation[] {
  const { afterOrderId, upToOrderId, storeId, newestFirst, limit } = range;
  const due = log.rows.filter((row) => {
    const isInRange = lastOrderIdOf(row) > afterOrderId && row.orderId <= upToOrderId;
    return isInRange && (storeId === undefined || row.storeId === storeId);
  });
  return (newestFirst ? due.toReversed() : due).slice(0, limit);
}

/** The run has fewer stores than the list shows. */
function judgeStores(log: LogWalk, answer: readonly Store[], least: number, most: number, violated: Violated): void {
  const shown = new Map(answer.map((store) => [store.storeId, store]));
  if (shown.size < answer.length) violated('a list of stores has one twice');
  for (const storeId of new Set([...log.states.keys(), ...shown.keys()])) {
    if (!isState(log, storeId, shown.get(storeId), least, most)) {
      violated(`a list of stores shows ${storeId} as it was neither then nor before`);
    }
  }
}

/** Whether a store was like that after an entry from one to the other. */
function isState(log: LogWalk, storeId: bigint, store: Store | undefined, least: number, most: number): boolean {
  if (!store) return log.storeAt(storeId, least) === undefined;
  const states = log.states.get(storeId) ?? [];
  return states.some(({ position, store: state }, i) => {
    const isUntil = states[i + 1]?.position ?? Infinity;
    return position <= most && isUntil > least && isSameStore(state, store);
  });
}

function isSameStore(a: Store, b: Store): boolean {
  const names = ['firstNumber', 'lastNumber', 'prefix', 'suffix', 'minDigits', 'createTimeMs'] as const;
  return names.every((name) => a[name] === b[name]);
}

function isRow(a: Allocation, b: Allocation): boolean {
  const names = [
    'storeId',
    'requestId',
    'orderId',
    'orderNumber',
    'count',
    'createTimeMs',
    'prefix',
    'caller',
  ] as const;
  return names.every((name) => a[name] === b[name]);
}
