import type { TableStatus } from '@aws-sdk/client-dynamodb';
import { canonical } from './decimal.ts';
import { failure } from './failure.ts';
import type { Values } from './stored-table.ts';
import { StoredTable } from './stored-table.ts';

/** When a log entry was written, in turns of the clock. */
export interface LogPut {
  readonly position: number;
  /** The end of the sequence over all stores after it. */
  readonly lastOrderId: bigint;
  readonly turn: number;
  readonly ms: number;
}

const META: Values = { pk: { S: 'meta' }, sk: { N: '0' } };

/** A time in which the table refuses: everything, or writes. */
export type Refusal = 'denied' | 'throttled' | 'writes throttled';

/** The account in which the table is: what an operator does to it. */
export class Account {
  table = new StoredTable();
  status: TableStatus | undefined;
  /** Every table of that name is another one. */
  incarnation = 0;
  refusal: Refusal | undefined;
  /** Entries of the log, in order: only of the table that is put back in the end. */
  readonly puts: LogPut[] = [];
  #original: StoredTable | undefined;

  /** Whether the table is the one that all promises are about. */
  get isOriginal(): boolean {
    return this.#original === undefined;
  }

  /** How far the derived items are complete, as the table says. */
  get indexedTo(): number {
    return Number(this.table.get(META)?.['indexed_to']?.N ?? 0);
  }

  /** The table is gone. */
  remove(): void {
    this.#original ??= this.table;
    this.status = undefined;
    this.incarnation++;
  }

  /** An older copy is in its place. */
  replace(copy: StoredTable): void {
    this.table = copy;
    this.status = 'ACTIVE';
    this.incarnation++;
  }

  putBack(): void {
    if (this.#original) this.table = this.#original;
    this.#original = undefined;
    this.status = 'ACTIVE';
    this.incarnation++;
  }

  /** What the table says to any request now; undefined if it takes it. */
  refused(isWrite: boolean): Error | undefined {
    if (this.refusal === 'denied') return failure('AccessDeniedException');
    if (this.status !== 'ACTIVE') return failure('ResourceNotFoundException');
    if (this.refusal === 'throttled' || (this.refusal && isWrite)) {
      return failure('ProvisionedThroughputExceededException');
    }
    return undefined;
  }

  wrote(item: Values, turn: number, ms: number): void {
    const position = /^log#(\d+)$/.exec(item['pk']!.S!)?.[1];
    if (position === undefined || !this.isOriginal) return;
    this.puts.push({ position: Number(position), lastOrderId: BigInt(item['last_order_id']?.N ?? 0), turn, ms });
  }

  /** Sets a number of an item, if it has the other one. Returns the item. */
  raise(key: Values, name: string, from: string | undefined, to: string, ms: number): Values {
    const before = this.table.get(key);
    if (before?.[name]?.N !== from) throw failure('ConditionalCheckFailedException');
    const item: Values = { ...key, ...before, [name]: { N: canonical(to) } };
    this.table.put(item, ms);
    return item;
  }
}
