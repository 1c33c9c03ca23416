import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import { canonical, scaled } from './decimal.ts';

export type Values = Record<string, AttributeValue>;

/** An item as it was written at a time. */
interface Stored {
  readonly place: bigint;
  readonly values: Values;
  readonly writtenMs: number;
  readonly before: Stored | undefined;
}

/** A part of a partition, in order; inclusive at both ends. */
export interface Range {
  readonly partition: string;
  readonly from: string | undefined;
  readonly to: string | undefined;
  readonly isDescending: boolean;
  readonly limit: number;
  /** The place behind which it begins. */
  readonly after: string | undefined;
}

/** The items of a table, with all that they have been. */
export class StoredTable {
  readonly #partitions = new Map<string, Stored[]>();

  /** The item at a key as of a time, by default the last one. */
  get(key: Values, asOfMs = Infinity): Values | undefined {
    const partition = this.#partitions.get(key['pk']!.S!);
    if (!partition) return undefined;
    const place = scaled(canonical(key['sk']!.N!));
    const index = indexOf(partition, place);
    return partition[index]?.place === place ? asOf(partition[index], asOfMs) : undefined;
  }

  put(item: Values, writtenMs: number): void {
    const values = toStored(item);
    const pk = values['pk']!.S!;
    const place = scaled(values['sk']!.N!);
    const partition = this.#partitions.get(pk);
    if (!partition) return void this.#partitions.set(pk, [{ place, values, writtenMs, before: undefined }]);
    const index = indexOf(partition, place);
    const before = partition[index];
    if (before?.place === place) partition[index] = { place, values, writtenMs, before };
    else partition.splice(index, 0, { place, values, writtenMs, before: undefined });
  }

  /** One page, and whether there may be more. */
  query(range: Range, asOfMs = Infinity): { readonly items: Values[]; readonly isLast: boolean } {
    const { from, to, isDescending, limit, after } = range;
    const partition = this.#partitions.get(range.partition) ?? [];
    const [low, high, start] = [from, to, after].map(placeOf);
    const items: Values[] = [];
    for (const entry of isDescending ? partition.toReversed() : partition) {
      const { place } = entry;
      if ((low !== undefined && place < low) || (high !== undefined && place > high)) continue;
      if (start !== undefined && (isDescending ? place >= start : place <= start)) continue;
      const values = asOf(entry, asOfMs);
      if (!values) continue;
      // As DynamoDB does, which does not look at what follows a full page.
      if (items.length === limit - 1) return { items: [...items, values], isLast: false };
      items.push(values);
    }
    return { items, isLast: true };
  }

  /** A copy of what it was at a time. */
  copy(asOfMs: number): StoredTable {
    const copy = new StoredTable();
    for (const [pk, partition] of this.#partitions) {
      const entries = partition.flatMap((entry) => {
        const values = asOf(entry, asOfMs);
        return values ? [{ place: entry.place, values, writtenMs: entry.writtenMs, before: undefined }] : [];
      });
      if (entries.length > 0) copy.#partitions.set(pk, entries);
    }
    return copy;
  }
}

function placeOf(sort: string | undefined): bigint | undefined {
  return sort === undefined ? undefined : scaled(canonical(sort));
}

function asOf(stored: Stored | undefined, ms: number): Values | undefined {
  let entry = stored;
  while (entry && entry.writtenMs > ms) entry = entry.before;
  return entry?.values;
}

/** The first index whose place is not below this one. */
function indexOf(partition: readonly Stored[], place: bigint): number {
  let [low, high] = [0, partition.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (partition[middle]!.place < place) low = middle + 1;
    else high = middle;
  }
  return low;
}

function toStored(item: Values): Values {
  const values: Values = {};
  for (const [name, value] of Object.entries(item)) {
    values[name] = value.N === undefined ? value : { N: canonical(value.N) };
  }
  return values;
}
