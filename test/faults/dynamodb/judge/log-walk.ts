import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import type { Allocation } from '../../../../src/core/allocation.ts';
import type { Store } from '../../../../src/core/store.ts';
import { toEntry, toGenesis } from '../../../../src/engines/dynamodb/log/entry-item.ts';
import type { LogEntry } from '../../../../src/engines/dynamodb/log/log-entry.ts';
import type { Item } from '../../../../src/engines/dynamodb/table/item.ts';
import { logKey } from '../../../../src/engines/dynamodb/table/keys.ts';
import { keyOf } from '../../seeded/run-judge.ts';
import type { Account } from '../table/account.ts';
import type { StoredTable, Values } from '../table/stored-table.ts';

/** A store after an entry of the log. */
export interface StoreState {
  readonly position: number;
  readonly store: Store;
  readonly isCreation: boolean;
}

/** The log of a table, read from end to end past the engine: what is true after a run. */
export class LogWalk {
  readonly rows: Allocation[] = [];
  readonly byKey = new Map<string, Allocation>();
  readonly stores = new Map<bigint, Store>();
  readonly states = new Map<bigint, StoreState[]>();
  readonly entries: LogEntry[] = [];
  readonly ledgerId: string;
  readonly #positions = new Map<bigint, number>();
  /** The turns in which entries were written, by their positions. */
  readonly #turns: number[] = [];

  constructor(account: Account, violated: (sentence: string) => void) {
    const { table, puts } = account;
    const genesis = itemAt(table, 0);
    this.ledgerId = genesis ? toGenesis(genesis, 'the table').ledgerId : '';
    for (const { position, turn } of puts) {
      if (position !== this.#turns.length) violated(`entry ${position} of the log was written out of turn`);
      this.#turns[position] = turn;
    }
    let previous = this.ledgerId;
    for (let position = 1; ; position++) {
      const item = itemAt(table, position);
      if (!item) break;
      const entry = toEntry(item, position);
      if (entry.previous !== previous) violated(`entry ${position} of the log does not follow the one before`);
      previous = entry.batchId;
      this.#follow(entry, violated);
    }
    if (this.#turns.length !== this.entries.length + (genesis ? 1 : 0))
      violated('the log does not end where it was written last');
  }

  /** The position of the entry that gave an order_id. */
  positionOf({ orderId }: { readonly orderId: bigint }): number {
    return this.#positions.get(orderId) ?? Infinity;
  }

  /** The last position that was written before a turn. */
  headBefore(turn: number): number {
    let [low, high] = [0, this.#turns.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#turns[middle]! < turn) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /** The end of the sequence over all stores after an entry. */
  lastOrderIdAt(position: number): bigint {
    return position < 1 ? 0n : this.entries[position - 1]!.lastOrderId;
  }

  /** A store after an entry; undefined if it was not created by then. */
  storeAt(storeId: bigint, position: number): Store | undefined {
    return this.states.get(storeId)?.findLast((state) => state.position <= position)?.store;
  }

  #follow(entry: LogEntry, violated: (sentence: string) => void): void {
    const { position, allocations, stores, created, lastOrderId } = entry;
    this.entries.push(entry);
    const lastNumbers = new Map<bigint, bigint>();
    for (const row of allocations) {
      const { storeId, orderNumber, count, prefix, suffix, minDigits } = row;
      this.rows.push(row);
      this.byKey.set(keyOf(row), row);
      this.#positions.set(row.orderId, position);
      lastNumbers.set(storeId, orderNumber + BigInt(count) - 1n);
      const now = stores.find((store) => store.storeId === storeId);
      const before = this.stores.get(storeId) ?? now;
      if (prefix !== before?.prefix || suffix !== before.suffix || minDigits !== before.minDigits) {
        violated(`${keyOf(row)} looks as its store did not when it was numbered`);
      }
    }
    for (const store of stores) {
      const { storeId, firstNumber, lastNumber } = store;
      const before = this.stores.get(storeId);
      const isCreation = created.has(storeId);
      if ((before === undefined) !== isCreation) violated(`entry ${position} creates store ${storeId}, which is there`);
      const unused = !before || before.lastNumber < before.firstNumber ? firstNumber - 1n : before.lastNumber;
      const due = lastNumbers.get(storeId) ?? unused;
      if (due !== lastNumber) violated(`store ${storeId} ends at ${lastNumber} after entry ${position}, not at ${due}`);
      this.stores.set(storeId, store);
      const states = this.states.get(storeId) ?? [];
      states.push({ position, store, isCreation });
      this.states.set(storeId, states);
    }
    const end = this.rows.at(-1);
    const due = end ? end.orderId + BigInt(end.count) - 1n : 0n;
    if (due !== lastOrderId) violated(`the sequence ends at ${lastOrderId} after entry ${position}, not at ${due}`);
  }
}

/** What the table has at a position of its log. */
export function itemAt(table: StoredTable, position: number): Item | undefined {
  const { partition, sort } = logKey(position);
  const values = table.get({ pk: { S: partition }, sk: { N: sort } });
  return values && toItem(values);
}

export function toItem({ pk, sk, ...values }: Values): Item {
  const attributes: Record<string, string | bigint> = {};
  for (const [name, value] of Object.entries(values) as [string, AttributeValue][]) {
    attributes[name] = value.N === undefined ? value.S! : BigInt(value.N);
  }
  return { partition: pk!.S!, sort: sk!.N!, attributes };
}
