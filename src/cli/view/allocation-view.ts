import type { Allocation } from '../../client/index.ts';
import type { Column } from './columns.ts';
import { Columns, localTime, shortTime, table } from './columns.ts';

/** A narrower terminal wraps. */
const MIN_WIDTH = 60;

/** How lists show allocations to people, one per line. */
const ALLOCATION_COLUMNS: readonly Column<Allocation>[] = [
  { title: 'ORDER ID', width: 10, align: 'right', value: ({ orderId }) => String(orderId) },
  { title: 'STORE', width: 10, align: 'right', value: ({ storeId }) => String(storeId) },
  { title: 'NUMBER', width: 10, align: 'right', value: ({ orderNumber }) => String(orderNumber) },
  { title: 'COUNT', width: 5, align: 'right', value: ({ count }) => String(count) },
  { title: 'DISPLAY NUMBER', width: 14, value: ({ displayNumber }) => displayNumber },
  { title: 'CREATED', width: 29, value: ({ createTime }) => localTime(createTime) },
  { title: 'REQUEST ID', width: 10, value: ({ requestId }) => requestId },
  { title: 'CALLER', width: 6, value: ({ caller }) => caller },
];

/** The same for a terminal: runs as first and last number, nothing repeated, long values truncated. */
const FITTED_COLUMNS: readonly Column<Allocation>[] = [
  { title: 'ORDER ID', width: 8, align: 'right', value: ({ orderId, count }) => runOf(orderId, count, '-') },
  { title: 'STORE', width: 6, align: 'right', value: ({ storeId }) => String(storeId) },
  { title: 'NUMBER', width: 6, align: 'right', value: ({ orderNumber, count }) => runOf(orderNumber, count, '-') },
  { title: 'SHOWN AS', width: 8, least: 8, value: shownAs },
  { title: 'CREATED', width: 19, value: ({ createTime }) => shortTime(createTime) },
  { title: 'REQUEST ID', width: 10, least: 10, value: ({ requestId }) => requestId },
];

/** The caller comes before the request id, because the last column is truncated first. */
const FITTED_NAMED_COLUMNS = FITTED_COLUMNS.toSpliced(-1, 0, {
  title: 'CALLER',
  width: 6,
  least: 6,
  value: ({ caller }) => caller,
});

/**
 * Allocations as a table, for a terminal of this width; undefined means that it is not a terminal. A terminal gets the
 * column CALLER, below a new header, at the first row that has one: on an open server none has.
 */
export class AllocationLines {
  readonly #width: number | undefined;
  #columns: Columns<Allocation> | undefined;
  #hasCallers = false;

  constructor(width: number | undefined) {
    this.#width = width;
  }

  /** The header, unless it was shown. */
  header(): string[] {
    if (this.#columns) return [];
    this.#columns = this.#newColumns();
    return [this.#columns.header()];
  }

  /** The row, below a header if one is due. */
  row(allocation: Allocation): string[] {
    if (allocation.caller !== '' && !this.#hasCallers) {
      this.#hasCallers = true;
      if (this.#width !== undefined) this.#columns = undefined;
    }
    return [...this.header(), this.#columns!.row(allocation)];
  }

  #newColumns(): Columns<Allocation> {
    if (this.#width === undefined) return new Columns(ALLOCATION_COLUMNS);
    return new Columns(this.#hasCallers ? FITTED_NAMED_COLUMNS : FITTED_COLUMNS, Math.max(this.#width, MIN_WIDTH));
  }
}

/** The display number, unless it is the plain number. */
function shownAs({ displayNumber, orderNumber }: Allocation): string {
  return displayNumber === String(orderNumber) ? '' : displayNumber;
}

function runOf(first: bigint, count: number, to: string): string {
  return count === 1 ? String(first) : `${first}${to}${first + BigInt(count) - 1n}`;
}

/** The first and the last display number of a run: the last one has the format of the first. */
function displayedRun(allocation: Allocation): string {
  const { count, displayNumber: first, prefix, suffix, minDigits, orderNumber } = allocation;
  if (count === 1) return first;
  const last = String(orderNumber + BigInt(count) - 1n).padStart(minDigits, '0');
  return `${first} to ${prefix}${last}${suffix}`;
}

/** One allocation for people, one field per line; a run shows its first and its last numbers. */
export function allocationTable(allocation: Allocation, more: readonly (readonly [string, string])[] = []): string {
  const { orderId, orderNumber, count } = allocation;
  return table([
    ['order id', runOf(orderId, count, ' to ')],
    ['order number', runOf(orderNumber, count, ' to ')],
    ['display number', displayedRun(allocation)],
    ['store', String(allocation.storeId)],
    ['request id', allocation.requestId],
    ...(allocation.caller === '' ? [] : [['caller', allocation.caller]]),
    ...(count === 1 ? [] : [['count', String(count)]]),
    ['created', localTime(allocation.createTime)],
    ...more,
  ]);
}
