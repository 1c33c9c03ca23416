import { BatchWriteItemCommand, GetItemCommand, UpdateItemCommand } from '@aws-sdk/client-dynamodb';
import { afterEach, beforeEach, expect, it, onTestFinished, vi } from 'vitest';
import { Claim } from '../../../../src/engines/dynamodb/index/claim.ts';
import { derivedItems } from '../../../../src/engines/dynamodb/index/derived-items.ts';
import { Indexer } from '../../../../src/engines/dynamodb/index/indexer.ts';
import { LedgerView } from '../../../../src/engines/dynamodb/log/ledger-view.ts';
import type { LogEntry } from '../../../../src/engines/dynamodb/log/log-entry.ts';
import type { TableClient } from '../../../../src/engines/dynamodb/table/table.ts';
import { Table } from '../../../../src/engines/dynamodb/table/table.ts';

const GONE = 'one that is gone';
const ROWS = 60;
/** How long an entry of another server is left alone, and a claim that nobody renews. */
const LATE_MS = 2100;

/** META, and how often each derived item was written, by its key. */
class Items {
  readonly written = new Map<string, number>();
  readonly meta = new Map<string, bigint>();
  /** What is done before each write of a batch. */
  before: (keys: readonly string[]) => Promise<void> | void = () => {};

  async send(command: { readonly input: unknown }): Promise<unknown> {
    if (command instanceof GetItemCommand) return { Item: this.meta.size > 0 ? this.#values() : undefined };
    if (command instanceof UpdateItemCommand) {
      const { ExpressionAttributeNames: names, ExpressionAttributeValues: values } = command.input;
      const name = names!['#name']!;
      if (String(this.meta.get(name)) !== String(values![':from']?.N)) throw named('ConditionalCheckFailedException');
      this.meta.set(name, BigInt(values![':to']!.N!));
      return { Attributes: this.#values() };
    }
    if (!(command instanceof BatchWriteItemCommand)) throw new Error('nothing else is sent');
    const puts = Object.values(command.input.RequestItems ?? {}).flat();
    const keys = puts.map(({ PutRequest }) => `${PutRequest!.Item!['pk']!.S} ${PutRequest!.Item!['sk']!.N}`);
    await this.before(keys);
    for (const key of keys) this.written.set(key, (this.written.get(key) ?? 0) + 1);
    return {};
  }

  #values() {
    const numbers = [...this.meta].map(([name, value]) => [name, { N: String(value) }]);
    return { pk: { S: 'meta' }, sk: { N: '0' }, ...Object.fromEntries(numbers) };
  }
}

function named(name: string): Error {
  return Object.assign(new Error(name), { name });
}

/** What a server has of the items of these entries. */
function indexing(items: Items, server: string, entries: readonly LogEntry[]) {
  const failures: unknown[] = [];
  const view = new LedgerView({ ledgerId: 'genesis', firstOrderId: 1n, isMoving: false }, undefined);
  const client = { send: items.send.bind(items) } as unknown as TableClient;
  const table = new Table(client, 'orders');
  const indexer = new Indexer(table, view, {
    server,
    mark: undefined,
    prove: async () => {},
    onFailure: (why) => void failures.push(why),
    onTurnsAsked() {},
  });
  onTestFinished(() => indexer.close());
  for (const entry of entries) {
    view.apply(entry);
    indexer.add(entry, false);
  }
  return { indexer, table, view, failures };
}

function entriesOf(server: string, count: number): LogEntry[] {
  return Array.from({ length: count }, (_, i) => {
    const position = i + 1;
    const style = { prefix: '', suffix: '', minDigits: 0 };
    const allocations = Array.from({ length: ROWS }, (__, row) => {
      const number = BigInt(ROWS * i + row + 1);
      const request = { storeId: 7n, requestId: `r${number}`, count: 1, caller: '' };
      return { ...request, orderId: number, orderNumber: number, ...style, createTimeMs: 1 };
    });
    const lastOrderId = BigInt(ROWS * position);
    return {
      position,
      previous: i === 0 ? 'genesis' : `batch ${i}`,
      batchId: `batch ${position}`,
      server,
      indexedTo: 0,
      putMs: 1,
      lostRaces: 0,
      lastOrderId,
      createTimeMs: 1,
      stores: [{ storeId: 7n, firstNumber: 1n, lastNumber: lastOrderId, createTimeMs: 1, ...style }],
      created: new Set<bigint>(),
      allocations,
      losses: [],
      isMoving: false,
      movedTo: undefined,
    };
  });
}

function onceEach(entries: readonly LogEntry[]): Map<string, number> {
  return new Map(entries.flatMap(derivedItems).map(({ partition, sort }) => [`${partition} ${sort}`, 1]));
}

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }));
afterEach(() => void vi.useRealTimers());

it('what a server has left is written by one of the others, however many there are', async () => {
  const items = new Items();
  const entries = entriesOf(GONE, 3);
  const servers = Array.from({ length: 8 }, (_, i) => indexing(items, `server ${i}`, entries));
  vi.advanceTimersByTime(LATE_MS);
  await Promise.all(servers.map(({ indexer }) => indexer.idle()));
  expect(items.written).toEqual(onceEach(entries));
  expect(servers.map(({ view }) => view.indexedTo)).toEqual(servers.map(() => 3));
  expect(items.meta.get('indexed_to')).toBe(3n);
});

it('the server that has taken that over is followed by another one if it ends, too', async () => {
  const items = new Items();
  const entries = entriesOf(GONE, 1);
  const taken = Promise.withResolvers<void>();
  // Its writes go nowhere.
  items.before = () => {
    taken.resolve();
    return new Promise(() => {});
  };
  const first = indexing(items, 'first', entries);
  vi.advanceTimersByTime(LATE_MS);
  await taken.promise;
  const claim = items.meta.get('taken_over');
  await expect.poll(() => items.meta.get('taken_over')).not.toBe(claim);
  first.indexer.close();
  items.before = () => {};
  const { view } = indexing(items, 'second', entries);
  await expect.poll(() => (vi.advanceTimersByTime(LATE_MS), view.indexedTo)).toBe(1);
  expect(items.written).toEqual(onceEach(entries));
});

it('a claim that is taken again and again is counted up by one loop, and so is not lost to another', async () => {
  const items = new Items();
  const claim = new Claim(new Table({ send: items.send.bind(items) } as unknown as TableClient, 'orders'));
  onTestFinished(() => claim.release());
  const takes = 3;
  for (let i = 0; i < takes; i++) {
    claim.release();
    expect(await claim.take()).toBe(true);
  }
  await expect.poll(() => items.meta.get('taken_over')).toBeGreaterThan(BigInt(takes + 1));
  expect(claim.isHeld).toBe(true);
});

it('after a failure, only the items that are not written yet are written again', async () => {
  const items = new Items();
  const entries = entriesOf('own', 1);
  let fails = 2;
  items.before = (keys) => {
    if (keys.includes('req#7#r1 0') && fails-- > 0) throw named('AccessDeniedException');
  };
  const { indexer, failures } = indexing(items, 'own', entries);
  await indexer.idle();
  expect(failures).toHaveLength(2);
  expect(items.written).toEqual(onceEach(entries));
});

it('of the items that wait for a connection, none is written once the log is closed', async () => {
  const items = new Items();
  const away = Promise.withResolvers<void>();
  let sent = 0;
  items.before = () => {
    sent++;
    return away.promise;
  };
  const { indexer, table, failures } = indexing(items, 'own', entriesOf('own', 64));
  await expect.poll(() => sent).toBeGreaterThan(0);
  const before = sent;
  indexer.close();
  items.before = () => void sent++;
  const last = table.putAll([{ partition: 'behind all of them', sort: '0', attributes: {} }]);
  away.reject(named('InternalServerError'));
  await last;
  expect(sent).toBe(before + 1);
  expect(failures).toEqual([]);
});
