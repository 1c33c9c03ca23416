import type { Allocation } from '../../../core/allocation.ts';
import type { DeclaredLoss } from '../../../core/move/contents.ts';
import type { Store } from '../../../core/store.ts';

/** One statement that inserts many rows. */
export interface Insertion {
  readonly text: string;
  readonly values: readonly unknown[];
}

export function insertAllocations(allocations: readonly Allocation[]): Insertion {
  return insertion('allocations', [
    ['order_id', 'bigint', numbers(allocations.map(({ orderId }) => orderId))],
    ['store_id', 'bigint', numbers(allocations.map(({ storeId }) => storeId))],
    ['order_number', 'bigint', numbers(allocations.map(({ orderNumber }) => orderNumber))],
    ['count', 'integer', numbers(allocations.map(({ count }) => count))],
    ['request_id', 'text', allocations.map(({ requestId }) => requestId)],
    ['create_time_ms', 'bigint', numbers(allocations.map(({ createTimeMs }) => createTimeMs))],
    ['prefix', 'text', allocations.map(({ prefix }) => prefix)],
    ['suffix', 'text', allocations.map(({ suffix }) => suffix)],
    ['min_digits', 'integer', numbers(allocations.map(({ minDigits }) => minDigits))],
  ]);
}

export function insertStores(stores: readonly Store[]): Insertion {
  return insertion('stores', [
    ['store_id', 'bigint', numbers(stores.map(({ storeId }) => storeId))],
    ['first_number', 'bigint', numbers(stores.map(({ firstNumber }) => firstNumber))],
    ['last_number', 'bigint', numbers(stores.map(({ lastNumber }) => lastNumber))],
    ['prefix', 'text', stores.map(({ prefix }) => prefix)],
    ['suffix', 'text', stores.map(({ suffix }) => suffix)],
    ['min_digits', 'integer', numbers(stores.map(({ minDigits }) => minDigits))],
    ['create_time_ms', 'bigint', numbers(stores.map(({ createTimeMs }) => createTimeMs))],
  ]);
}

export function insertLosses(losses: readonly DeclaredLoss[]): Insertion {
  return insertion('declared_losses', [
    ['store_id', 'bigint', numbers(losses.map(({ storeId }) => storeId))],
    ['first', 'bigint', numbers(losses.map(({ first }) => first))],
    ['last', 'bigint', numbers(losses.map(({ last }) => last))],
    ['declare_time_ms', 'bigint', numbers(losses.map(({ declareTimeMs }) => declareTimeMs))],
  ]);
}

type Column = readonly [name: string, type: 'bigint' | 'integer' | 'text', values: string | readonly string[]];

/** A column is one parameter, whatever the number of rows. */
function insertion(table: string, columns: readonly Column[]): Insertion {
  const names = columns.map(([name]) => name).join(', ');
  const arrays = columns.map(([, type], i) => `$${i + 1}::${type}[]`).join(', ');
  return {
    text: `INSERT INTO order_numbers.${table} (${names}) SELECT * FROM unnest(${arrays})`,
    values: columns.map(([, , values]) => values),
  };
}

/** As PostgreSQL writes an array: nothing of a number needs quotes, which saves most of the time that pg takes for it. */
function numbers(values: readonly (bigint | number | undefined)[]): string {
  return `{${values.map((value) => value ?? 'NULL').join(',')}}`;
}
