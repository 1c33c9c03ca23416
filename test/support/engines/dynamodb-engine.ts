import { onTestFinished } from 'vitest';
import type { Allocation } from '../../../src/core/allocation.ts';
import { DEFAULT_STORE } from '../../../src/core/store.ts';
import { entriesAfter, readEntry } from '../../../src/engines/dynamodb/log/log-reader.ts';
import { DynamodbProxy } from '../dynamodb/dynamodb-proxy.ts';
import { dynamodbEndpoint, newTableUrl } from '../dynamodb/dynalite.ts';
import { append, overwrite, readLedger, setCounters, withTable } from '../dynamodb/log-access.ts';
import { assertDenseRows } from '../ledgers/dense-rows.ts';
import type { ServerProcess } from '../processes/server-process.ts';
import type { Engine, FaultyLedger } from './engines.ts';

const STORES = 10n;
/** Orders of one added log entry. */
const ORDERS_PER_ENTRY = 1000;

export const DYNAMODB: Engine = {
  name: 'DynamoDB',
  newLedger: newTableUrl,
  absentLedger: newTableUrl,
  canBeFull: false,
  breakStoreReads: undefined,

  assertDense: (ledger) =>
    withTable(ledger, async (table) => {
      const snapshot = await readLedger(table);
      assertDenseRows(snapshot);
      return snapshot.rows;
    }),

  addOrders: (ledger, count) =>
    withTable(ledger, async (table) => {
      for (let first = 0; first < count; first += ORDERS_PER_ENTRY) {
        const last = Math.min(first + ORDERS_PER_ENTRY, count);
        const allocations = Array.from({ length: last - first }, (_, i) => orderAt(BigInt(first + i)));
        const stores = Array.from({ length: Number(STORES) }, (_, i) => {
          const given = (BigInt(last) - BigInt(i) + STORES - 1n) / STORES;
          return { ...DEFAULT_STORE, storeId: BigInt(i + 1), lastNumber: 99n + given, createTimeMs: 1000 };
        });
        const created = new Set(first === 0 ? stores.map(({ storeId }) => storeId) : []);
        await append(table, { lastOrderId: BigInt(last), createTimeMs: 1000, stores, created, allocations });
      }
    }),

  setLastCreateTime: (ledger, lastCreateTimeMs) =>
    withTable(ledger, (table) => setCounters(table, { lastCreateTimeMs })),

  deleteOrder: (ledger, orderId) =>
    withTable(ledger, async (table, client) => {
      for await (const entries of entriesAfter(table, 0)) {
        for (const entry of entries) {
          if (entry.allocations.length !== 1 || entry.allocations[0]!.orderId !== orderId) continue;
          await overwrite(client, table, { ...entry, allocations: [] });
          return;
        }
      }
      throw new Error(`no entry has order_id ${orderId} alone`);
    }),

  damage: (ledger) =>
    withTable(ledger, async (table, client) => {
      await overwrite(client, table, (await readEntry(table, 2))!, '{"stores":[],"rows":"0,0,1,0 x"}');
    }),

  async newFaultyLedger() {
    const proxy = await DynamodbProxy.start(await dynamodbEndpoint());
    onTestFinished(() => proxy.refuse());
    const ledger = new URL(await newTableUrl());
    ledger.searchParams.set('endpoint', proxy.endpoint);
    return new DynamodbFaults(ledger.href, proxy);
  },
};

/** Faults of the network before DynamoDB, and its refusals. */
class DynamodbFaults implements FaultyLedger {
  readonly ledger: string;
  readonly options = {};
  // The held put may arrive before the one of the other server, or after it.
  readonly heldMayBeReplayed = [true, false];
  readonly unavailableReason = /ECONNREFUSED|ECONNRESET|socket hang up/;
  readonly #proxy: DynamodbProxy;

  constructor(ledger: string, proxy: DynamodbProxy) {
    this.ledger = ledger;
    this.#proxy = proxy;
  }

  async holdCommits(): Promise<void> {
    this.#proxy.hold();
  }

  commitIsHeld(): Promise<void> {
    return this.#proxy.isHeld();
  }

  async release(): Promise<void> {
    this.#proxy.release();
  }

  async failNextCommit(): Promise<void> {
    this.#proxy.failNext();
  }

  fillDisk(): Promise<void> {
    return Promise.reject(new Error('a table of DynamoDB is never full'));
  }

  freeDisk(): Promise<void> {
    return this.fillDisk();
  }

  async makeUnavailable(): Promise<void> {
    this.#proxy.refuse();
  }

  makeAvailable(): Promise<void> {
    return this.#proxy.allow();
  }

  async killAfterCommit(server: ServerProcess): Promise<void> {
    this.#proxy.loseNextAnswer(() => {
      // Otherwise it would ask again, and learn the outcome after all.
      this.#proxy.refuse();
      void server.kill();
    });
  }
}

function orderAt(i: bigint): Allocation {
  return {
    orderId: i + 1n,
    storeId: (i % STORES) + 1n,
    orderNumber: i / STORES + 100n,
    count: 1,
    requestId: `${'cart-'.padEnd(120, 'x')}${i}`,
    createTimeMs: 1000,
    prefix: '',
    suffix: '',
    minDigits: 0,
    caller: '',
  };
}
