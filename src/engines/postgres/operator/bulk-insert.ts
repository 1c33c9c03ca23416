import type { Allocation } from '../../../core/allocation.ts';
import type { DeclaredLoss } from '../../../core/move/contents.ts';
import type { Store } from '../../../core/store.ts';
import { numberArray } from '../statements/array-text.ts';

/** One statement that inserts many rows. */
export interface Insertion {
  readonly text: string;
  readonly values: readonly unknown[];
}

export function insertAllocations(allocations: readonly Allocation[]): Insertion {
  return insertion('allocations', [
    ['order_id', 'bigint', numberArray(allocations.map(({ orderId }) => orderId))],
    ['store_id', 'bigint', numberArray(allocations.map(({ storeId }) => storeId))],
    ['order_number', 'bigint', numberArray(allocations.map(({ orderNumber }) => orderNumber))],
    ['count', 'integer', numberArray(allocations.map(({ count }) => count))],
    ['request_id', 'text', allocations.map(({ requestId }) => requestId)],
    ['create_time_ms', 'bigint', numberArray(allocations.map(({ createTimeMs }) => createTimeMs))],
    ['prefix', 'text', allocations.map(({ prefix }) => prefix)],
    ['suffix', 'text', allocations.map(({ suffix }) => suffix)],
    ['min_digits', 'integer', numberArray(allocations.map(({ minDigits }) => minDigits))],
  ]);
}

/** Only the named ones have a row. */
export function insertCallers(allocations: readonly Allocation[]): Insertion {
  const named = allocations.filter(({ caller }) => caller !== '');
  return insertion('callers', [
    ['order_id', 'bigint', numberArray(named.map(({ orderId }) => orderId))],
    ['caller', 'text', named.map(({ caller }) => caller)],
  ]);
}

export function insertStores(stores: readonly Store[]): Insertion {
  return insertion('stores', [
    ['store_id', 'bigint', numberArray(stores.map(({ storeId }) => storeId))],
    ['first_number', 'bigint', numberArray(stores.map(({ firstNumber }) => firstNumber))],
    ['last_number', 'bigint', numberArray(stores.map(({ lastNumber }) => lastNumber))],
    ['prefix', 'text', stores.map(({ prefix }) => prefix)],
    ['suffix', 'text', stores.map(({ suffix }) => suffix)],
    ['min_digits', 'integer', numberArray(stores.map(({ minDigits }) => minDigits))],
    ['create_time_ms', 'bigint', numberArray(stores.map(({ createTimeMs }) => createTimeMs))],
  ]);
}

export function insertLosses(losses: readonly DeclaredLoss[]): Insertion {
  return insertion('declared_losses', [
    ['store_id', 'bigint', numberArray(losses.map(({ storeId }) => storeId))],
    ['first', 'bigint', numberArray(losses.map(({ first }) => first))],
    ['last', 'bigint', numberArray(losses.map(({ last }) => last))],
    ['declare_time_ms', 'bigint', numberArray(losses.map(({ declareTimeMs }) => declareTimeMs))],
  ]);
}

type Column = readonly [name: string, type: 'bigint' | 'integer' | 'text', values: string | readonly string[]];

/** Each column is one parameter, whatever the number of rows. */
function insertion(table: string, columns: readonly Column[]): Insertion {
  const names = columns.map(([name]) => name).join(', ');
  const arrays = columns.map(([, type], i) => `$${i + 1}::${type}[]`).join(', ');
  return {
    text: `INSERT INTO order_numbers.${table} (${names}) SELECT * FROM unnest(${arrays})`,
    values: columns.map(([, , values]) => values),
  };
}
