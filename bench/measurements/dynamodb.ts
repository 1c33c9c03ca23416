import { randomUUID } from 'node:crypto';
import { Allocator } from '../../src/core/allocator.ts';
import { ANY_LEDGER } from '../../src/core/expected-ledger.ts';
import { DynamodbLedger } from '../../src/engines/dynamodb/dynamodb-ledger.ts';
import type { TableClient } from '../../src/engines/dynamodb/table/table.ts';
import { Table } from '../../src/engines/dynamodb/table/table.ts';
import { TableAdmin } from '../../src/engines/dynamodb/table/table-admin.ts';
import { DynaliteProcess } from '../dynamodb/dynalite-process.ts';
import { SampleCounters } from '../dynamodb/sample-counters.ts';
import { WriteUnits } from '../dynamodb/write-units.ts';
import type { Spread } from '../statistics.ts';
import { spread } from '../statistics.ts';

const LEVELS = [1, 10, 64, 400] as const;
const STORES = 10;
const BATCHES = [1, 10, 100, 1000] as const;
const QUIET = { opened() {}, waiting() {}, failed() {}, lost() {}, warning() {}, transaction() {} };

export interface DynamodbOptions {
  readonly rounds: number;
  readonly seconds: number;
  readonly folder: string;
  progress(line: string): void;
}

/** One level of orders in flight. */
export interface DynamodbLevel {
  readonly inFlight: number;
  /** Orders per second. */
  readonly counters: Spread;
  readonly ledger: Spread;
  /** Ratio within each round. */
  readonly ledgerToCounters: Spread;
}

/** Write units of an order in batches of one size, with stores that exist. */
export interface WriteUnitsOfBatch {
  readonly batch: number;
  readonly oneStore: number;
  /** 100 stores, or one for each order of a smaller batch. */
  readonly manyStores: number;
}

export interface DynamodbResult {
  readonly rounds: number;
  readonly levels: readonly DynamodbLevel[];
  readonly writeUnits: readonly WriteUnitsOfBatch[];
  /** Orders of the ledger, which is dense. */
  readonly orders: number;
}

type Numberer = (storeId: bigint) => Promise<unknown>;

/** The sample's counters and a ledger in alternation, on one dynalite. Round 0 is a warm-up and does not count. */
export async function measureDynamodb(options: DynamodbOptions): Promise<DynamodbResult> {
  const { rounds, seconds, folder, progress } = options;
  const dynalite = await DynaliteProcess.start(folder);
  const client = dynalite.client();
  try {
    const sample = await SampleCounters.create(client);
    const units = new WriteUnits(client);
    const ledger = await openLedger(units.client);
    const allocator = new Allocator({
      ledger,
      maxBatch: 1000,
      maxQueue: 10_000,
      maxQueueShare: 1,
      requireRequestId: false,
    });
    const { signal } = new AbortController();
    const caller = { requestId: '', caller: '', count: 1, signal, origin: 'bench' };
    const numberers: readonly (readonly [name: string, number: Numberer])[] = [
      ['counters', (storeId) => sample.number(storeId)],
      ['ledger', (storeId) => allocator.allocate({ ...caller, storeId })],
    ];
    const rates = new Map<string, number[]>();
    for (let round = 0; round <= rounds; round++) {
      for (const inFlight of LEVELS) {
        for (const [name, number] of round % 2 === 0 ? numberers : numberers.toReversed()) {
          const rate = await rateOf(number, inFlight, seconds);
          if (round > 0) rates.set(`${name} ${inFlight}`, [...(rates.get(`${name} ${inFlight}`) ?? []), rate]);
          progress(`round ${round} of ${rounds}, ${inFlight} in flight: ${name} ${Math.round(rate)}/s`);
        }
      }
    }
    progress('counting write units');
    const writeUnits: WriteUnitsOfBatch[] = [];
    for (const batch of BATCHES) writeUnits.push(await unitsOf(ledger, units, batch));
    progress('checking for gaps');
    const orders = await verifiedRows(ledger);
    await ledger.close();
    const levels = LEVELS.map((inFlight) => {
      const [counters = [], ofLedger = []] = ['counters', 'ledger'].map((name) => rates.get(`${name} ${inFlight}`));
      const ratios = ofLedger.map((rate, round) => rate / counters[round]!);
      return { inFlight, counters: spread(counters), ledger: spread(ofLedger), ledgerToCounters: spread(ratios) };
    });
    return { rounds, levels, writeUnits, orders };
  } finally {
    client.destroy();
    await dynalite.stop();
  }
}

async function openLedger(client: TableClient): Promise<DynamodbLedger> {
  const name = 'orders';
  const place = { table: new Table(client, name), admin: new TableAdmin(client, name), name, expected: ANY_LEDGER };
  const ledger = new DynamodbLedger(place, true, QUIET);
  await ledger.ready();
  return ledger;
}

/** Callers that each have one order at a time. */
async function rateOf(number: Numberer, inFlight: number, seconds: number): Promise<number> {
  const began = performance.now();
  const end = began + seconds * 1000;
  let orders = 0;
  const caller = async (first: number) => {
    for (let i = first; performance.now() < end; i++) {
      await number(BigInt(1 + (i % STORES)));
      orders++;
    }
  };
  await Promise.all(Array.from({ length: inFlight }, (_, i) => caller(i)));
  return (orders * 1000) / (performance.now() - began);
}

async function unitsOf(ledger: DynamodbLedger, units: WriteUnits, batch: number): Promise<WriteUnitsOfBatch> {
  const commit = async (stores: number) => {
    const requests = Array.from({ length: batch }, (_, i) => {
      return { storeId: BigInt(1000 + (i % stores)), requestId: randomUUID(), count: 1, caller: '' };
    });
    await ledger.commit(requests);
    await ledger.indexed();
  };
  const perOrder = async (stores: number) => {
    // The stores exist then, and what was written before is counted before.
    await commit(stores);
    const before = units.units;
    await commit(stores);
    return (units.units - before) / batch;
  };
  return { batch, oneStore: await perOrder(1), manyStores: await perOrder(Math.min(100, batch)) };
}

async function verifiedRows(ledger: DynamodbLedger): Promise<number> {
  for await (const event of ledger.reads.verify(undefined)) {
    if (event.kind === 'verdict' && event.ok) return Number(event.rows);
    if (event.kind === 'finding') throw new Error(event.message);
  }
  throw new Error('the verification ended without a good verdict');
}
