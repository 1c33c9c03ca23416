import { expect, it, onTestFinished } from 'vitest';
import { ANY_LEDGER } from '../../../../src/core/expected-ledger.ts';
import { newClient } from '../../../../src/engines/dynamodb/connection/client.ts';
import { parseDynamodbUrl } from '../../../../src/engines/dynamodb/connection/dynamodb-url.ts';
import { LedgerView } from '../../../../src/engines/dynamodb/log/ledger-view.ts';
import type { LogChange } from '../../../../src/engines/dynamodb/log/log-entry.ts';
import { OpenLog } from '../../../../src/engines/dynamodb/log/open-log.ts';
import { readLedger } from '../../../../src/engines/dynamodb/log/opening.ts';
import { TurnTaking } from '../../../../src/engines/dynamodb/log/turn-taking.ts';
import { NotPut } from '../../../../src/engines/dynamodb/log/write.ts';
import { TableAdmin } from '../../../../src/engines/dynamodb/table/table-admin.ts';
import type { TableClient } from '../../../../src/engines/dynamodb/table/table.ts';
import { Table } from '../../../../src/engines/dynamodb/table/table.ts';
import { newTableUrl } from '../../../support/dynamodb/dynalite.ts';

/** An entry without anything in it. */
const CHANGE: LogChange = {
  lastOrderId: 0n,
  createTimeMs: 0,
  stores: [],
  created: new Set(),
  allocations: [],
  losses: [],
  isMoving: false,
  movedTo: undefined,
};

it('a close ends the pause in which a server leaves others room, and nothing is put any more', async () => {
  const client = { send: async () => ({}) } as unknown as TableClient;
  const place = { table: new Table(client, 'orders'), admin: new TableAdmin(client, 'orders'), name: 'TABLE' };
  const turns = new TurnTaking('this one');
  // A command that asks again and again: the pause is ten seconds by then.
  for (let times = 0n; times < 6n; times++) turns.asked(times);
  expect(turns.pauseMs).toBeGreaterThan(9000);
  const view = new LedgerView({ ledgerId: 'genesis', firstOrderId: 1n, isMoving: false }, undefined);
  const found = { view, tail: [], mark: undefined, isNew: false };
  const log = new OpenLog({ ...place, expected: ANY_LEDGER }, found, performance.now(), turns, {
    followed() {},
    unsettled() {},
    settled() {},
    notDerived() {},
  });
  const written = log.write({
    prepare: async () => {},
    form: () => ({ answer: 'an answer', change: undefined, restsOnHead: false }),
    isAbandoned: () => false,
  });
  log.close();
  await expect(written).rejects.toBeInstanceOf(NotPut);
  expect(turns.pauseMs).toBeGreaterThan(5000);
});

it('P9: a closed log follows no more: what this process has seen is what its open log has', async () => {
  const url = parseDynamodbUrl(await newTableUrl());
  const client = newClient(url);
  onTestFinished(() => client.destroy());
  const place = { table: new Table(client, url.table), admin: new TableAdmin(client, url.table), name: url.name };
  const positions: number[] = [];
  const open = async (server: string) => {
    const found = await readLedger({ ...place, expected: ANY_LEDGER }, undefined, new AbortController().signal);
    return new OpenLog({ ...place, expected: ANY_LEDGER }, found, performance.now(), new TurnTaking(server), {
      followed: ({ head }) => void positions.push(head.position),
      unsettled() {},
      settled() {},
      notDerived() {},
    });
  };
  const [one, other] = [await open('one'), await open('other')];
  const write = {
    prepare: async () => {},
    form: () => ({ answer: 'put', change: CHANGE, restsOnHead: false }),
    isAbandoned: () => false,
  };
  expect(await one.write(write)).toBe('put');
  other.close();
  await expect(other.catchUp()).rejects.toThrow('the log was closed');
  expect(positions).toEqual([1]);
  one.close();
});
