import type { Allocation } from '../../../core/allocation.ts';
import { LedgerRefused, OrderError } from '../../../core/errors.ts';
import type { DeclaredLoss } from '../../../core/move/contents.ts';
import { parseJson } from '../../../core/text/json-text.ts';
import type { Store, StoreStyle } from '../../../core/store.ts';
import type { Item } from '../table/item.ts';
import { integerOf, numberOf, textOf } from '../table/item.ts';
import { logKey } from '../table/keys.ts';
import type { Genesis, LogChange, LogEntry } from './log-entry.ts';

/** What this engine writes, and reads. A later format has another number. */
const FORMAT = 1n;

/**
 * The body of an entry as JSON, because a million small attributes would cost more than the rest of a batch. Ids and
 * numbers are strings. `rows` has four words per row: the index of its store and of its caller, its count and how many
 * milliseconds before the entry it was created, with commas between, and its request_id, which has no space.
 */
interface Body {
  readonly stores: readonly PackedStore[];
  readonly created?: readonly number[];
  readonly callers?: readonly string[];
  readonly rows?: string;
  readonly losses?: readonly (readonly [storeId: string | null, first: string, last: string, declareTimeMs: string])[];
}

type PackedStore = readonly [
  storeId: string,
  firstNumber: string,
  lastNumber: string,
  createTimeMs: number,
  prefix: string,
  suffix: string,
  minDigits: number,
];

/** What a row of an entry takes at most beside its request_id: four numbers and five separators. */
const ROW_BYTES = 30;
/** What a store of an entry takes at most beside its affixes, which JSON may write twice as long. */
const STORE_BYTES = 100;

/** Bytes of a row in a packed entry, at most. JSON writes some characters of a request_id twice as long. */
export function rowBytes({ requestId }: { readonly requestId: string }): number {
  return JSON.stringify(requestId).length + ROW_BYTES;
}

/** The same for a store. */
export function storeBytes({ prefix, suffix }: StoreStyle): number {
  return STORE_BYTES + 2 * (prefix.length + suffix.length);
}

/** The same for the name of a caller. */
export function callerBytes(caller: string): number {
  return 3 + 2 * caller.length;
}

export function genesisItem({ ledgerId, firstOrderId, isMoving }: Genesis): Item {
  const attributes = { format: FORMAT, batch: ledgerId, first_order_id: firstOrderId };
  return { ...logKey(0), attributes: { ...attributes, ...(isMoving && { moving: 1n }) } };
}

/** `name` is that of the table, without secrets. Throws LedgerRefused for a log of a newer release. */
export function toGenesis(item: Item, name: string): Genesis {
  const format = integerOf(item, 'format');
  if (format !== FORMAT) {
    throw new LedgerRefused(
      `the log of ${name} has format ${format}, and this release reads format ${FORMAT}; use the newer release that wrote it`,
    );
  }
  return {
    ledgerId: textOf(item, 'batch'),
    firstOrderId: integerOf(item, 'first_order_id'),
    isMoving: item.attributes['moving'] !== undefined,
  };
}

export function entryItem(entry: LogEntry): Item {
  const { previous, batchId, server, isMoving, leavingFor, movedTo } = entry;
  return {
    ...logKey(entry.position),
    attributes: {
      previous,
      batch: batchId,
      server,
      indexed_to: BigInt(entry.indexedTo),
      put_ms: BigInt(Math.ceil(entry.putMs)),
      lost_races: BigInt(entry.lostRaces),
      last_order_id: entry.lastOrderId,
      create_time_ms: BigInt(entry.createTimeMs),
      body: JSON.stringify(toBody(entry)),
      ...(isMoving && { moving: 1n }),
      ...(leavingFor !== undefined && { leaving_for: leavingFor }),
      ...(movedTo !== undefined && { moved_to: movedTo }),
    },
  };
}

/** Throws LEDGER_DAMAGED for an item that this engine has not written there. */
export function toEntry(item: Item, position: number): LogEntry {
  try {
    const createTimeMs = numberOf(item, 'create_time_ms');
    const lastOrderId = integerOf(item, 'last_order_id');
    const { moving, leaving_for: leavingFor, moved_to: movedTo } = item.attributes;
    return {
      position,
      batchId: textOf(item, 'batch'),
      previous: textOf(item, 'previous'),
      server: textOf(item, 'server'),
      indexedTo: numberOf(item, 'indexed_to'),
      putMs: numberOf(item, 'put_ms'),
      lostRaces: numberOf(item, 'lost_races'),
      lastOrderId,
      createTimeMs,
      isMoving: moving !== undefined,
      leavingFor: leavingFor === undefined ? undefined : String(leavingFor),
      movedTo: movedTo === undefined ? undefined : String(movedTo),
      ...fromBody(parseJson(textOf(item, 'body')) as Body, lastOrderId, createTimeMs),
    };
  } catch (error) {
    throw new OrderError('LEDGER_DAMAGED', `the ledger is damaged: entry ${position} of its log cannot be read`, {
      cause: error,
    });
  }
}

function toBody({ stores, created, allocations, losses, createTimeMs }: LogChange): Body {
  const storeIndex = new Map(stores.map(({ storeId }, i) => [storeId, i]));
  const callers = new Map<string, number>();
  const rows = allocations.map(({ storeId, caller, count, requestId, createTimeMs: rowTimeMs }) => {
    const callerIndex = callers.get(caller) ?? callers.size;
    callers.set(caller, callerIndex);
    return `${storeIndex.get(storeId)},${callerIndex},${count},${createTimeMs - rowTimeMs} ${requestId}`;
  });
  return {
    stores: stores.map(packStore),
    ...(created.size > 0 && { created: stores.flatMap(({ storeId }, i) => (created.has(storeId) ? [i] : [])) }),
    ...(rows.length > 0 && { callers: [...callers.keys()], rows: rows.join(' ') }),
    ...(losses.length > 0 && {
      losses: losses.map((loss) => {
        const storeId = loss.storeId === undefined ? null : String(loss.storeId);
        return [storeId, String(loss.first), String(loss.last), String(loss.declareTimeMs)] as const;
      }),
    }),
  };
}

type Contents = Pick<LogChange, 'stores' | 'created' | 'allocations' | 'losses'>;

function fromBody(body: Body, lastOrderId: bigint, createTimeMs: number): Contents {
  const { callers = [], rows = '', losses = [], created = [] } = body;
  const stores = body.stores.map(unpackStore);
  const words = rows === '' ? [] : rows.split(' ');
  const allocations: Allocation[] = [];
  const lastNumbers = stores.map(({ lastNumber }) => lastNumber);
  // From the last row on, because the numbers end at the counters.
  for (let at = words.length - 2; at >= 0; at -= 2) {
    const [storeIndex = NaN, callerIndex = NaN, count = NaN, beforeMs = NaN] = words[at]!.split(',').map(Number);
    const store = stores[storeIndex];
    const caller = callers[callerIndex];
    if (!store || caller === undefined) throw new Error(`row ${at / 2} leads nowhere`);
    lastOrderId -= BigInt(count);
    const orderNumber = (lastNumbers[storeIndex]! -= BigInt(count)) + 1n;
    const { storeId, prefix, suffix, minDigits } = store;
    const style = { prefix, suffix, minDigits };
    const pair = { orderId: lastOrderId + 1n, orderNumber };
    const requestId = words[at + 1]!;
    allocations.push({ storeId, requestId, count, caller, ...pair, ...style, createTimeMs: createTimeMs - beforeMs });
  }
  return {
    stores,
    created: new Set(created.map((i) => stores[i]!.storeId)),
    allocations: allocations.toReversed(),
    losses: losses.map(unpackLoss),
  };
}

function packStore(store: Store): PackedStore {
  const { storeId, firstNumber, lastNumber, createTimeMs, prefix, suffix, minDigits } = store;
  return [String(storeId), String(firstNumber), String(lastNumber), createTimeMs, prefix, suffix, minDigits];
}

function unpackStore(packed: PackedStore): Store {
  const [storeId, firstNumber, lastNumber, createTimeMs, prefix, suffix, minDigits] = packed;
  const numbers = { firstNumber: BigInt(firstNumber), lastNumber: BigInt(lastNumber) };
  return { storeId: BigInt(storeId), ...numbers, createTimeMs, prefix, suffix, minDigits };
}

function unpackLoss([storeId, first, last, declareTimeMs]: NonNullable<Body['losses']>[number]): DeclaredLoss {
  return {
    storeId: storeId === null ? undefined : BigInt(storeId),
    first: BigInt(first),
    last: BigInt(last),
    declareTimeMs: BigInt(declareTimeMs),
  };
}
