import type { BatchWriteItemCommandInput, UpdateItemCommandInput } from '@aws-sdk/client-dynamodb';
import { BatchWriteItemCommand, UpdateItemCommand } from '@aws-sdk/client-dynamodb';
import { expect, it, onTestFinished } from 'vitest';
import { Indexer } from '../../../../src/engines/dynamodb/index/indexer.ts';
import { LedgerView } from '../../../../src/engines/dynamodb/log/ledger-view.ts';
import type { LogEntry } from '../../../../src/engines/dynamodb/log/log-entry.ts';
import { requestKey } from '../../../../src/engines/dynamodb/table/keys.ts';
import type { TableClient } from '../../../../src/engines/dynamodb/table/table.ts';
import { Table } from '../../../../src/engines/dynamodb/table/table.ts';

const SERVER = 'this one';

it('P5: the mark does not pass an entry whose items are still being written', async () => {
  const second = Promise.withResolvers<void>();
  const marks: string[] = [];
  const send = async (command: { readonly input: unknown }) => {
    if (command instanceof UpdateItemCommand) {
      marks.push(markIn(command.input));
      return { Attributes: { indexed_to: { N: marks.at(-1) } } };
    }
    if (command instanceof BatchWriteItemCommand && hasRequest(command.input, 2)) await second.promise;
    return {};
  };
  const view = new LedgerView({ ledgerId: 'genesis', firstOrderId: 1n, isMoving: false }, undefined);
  const indexer = new Indexer(new Table({ send } as unknown as TableClient, 'orders'), view, {
    server: SERVER,
    mark: undefined,
    prove: async () => {},
    onFailure: (why) => expect.unreachable(String(why)),
    onTurnsAsked() {},
  });
  onTestFinished(() => indexer.close());
  for (const position of [1, 2, 3]) {
    const entry = entryAt(position);
    view.apply(entry);
    indexer.add(entry, false);
  }
  const idle = indexer.idle();
  await expect.poll(() => marks).not.toEqual([]);
  expect(marks).toEqual(['1']);
  expect(view.indexedTo).toBe(1);
  second.resolve();
  await idle;
  expect(marks).toEqual(['1', '3']);
});

function entryAt(position: number): LogEntry {
  const numbers = { orderId: BigInt(position), orderNumber: BigInt(position) };
  const style = { prefix: '', suffix: '', minDigits: 0 };
  const request = { storeId: 7n, requestId: `r${position}`, count: 1, caller: '' };
  return {
    position,
    previous: position === 1 ? 'genesis' : `batch ${position - 1}`,
    batchId: `batch ${position}`,
    server: SERVER,
    indexedTo: 0,
    putMs: 1,
    lostRaces: 0,
    lastOrderId: BigInt(position),
    createTimeMs: 1,
    stores: [{ storeId: 7n, firstNumber: 1n, lastNumber: BigInt(position), createTimeMs: 1, ...style }],
    created: new Set(),
    allocations: [{ ...request, ...numbers, ...style, createTimeMs: 1 }],
    losses: [],
    isMoving: false,
    movedTo: undefined,
  };
}

function hasRequest({ RequestItems }: BatchWriteItemCommandInput, position: number): boolean {
  const { partition } = requestKey({ storeId: 7n, requestId: `r${position}` });
  const puts = Object.values(RequestItems ?? {}).flat();
  return puts.some(({ PutRequest }) => PutRequest?.Item?.['pk']?.S === partition);
}

function markIn({ ExpressionAttributeValues }: UpdateItemCommandInput): string {
  return ExpressionAttributeValues?.[':to']?.N ?? 'none';
}
