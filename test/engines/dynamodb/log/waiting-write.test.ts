import { expect, it, onTestFinished } from 'vitest';
import { ANY_LEDGER } from '../../../../src/core/expected-ledger.ts';
import { DEFAULT_STORE } from '../../../../src/core/store.ts';
import { newClient } from '../../../../src/engines/dynamodb/connection/client.ts';
import { parseDynamodbUrl } from '../../../../src/engines/dynamodb/connection/dynamodb-url.ts';
import { Log } from '../../../../src/engines/dynamodb/log/log.ts';
import type { LogChange } from '../../../../src/engines/dynamodb/log/log-entry.ts';
import { TableAdmin } from '../../../../src/engines/dynamodb/table/table-admin.ts';
import { NoAnswer } from '../../../../src/engines/dynamodb/table/failures.ts';
import { Table } from '../../../../src/engines/dynamodb/table/table.ts';
import { proxiedTable } from '../../../support/dynamodb/proxied-table.ts';

/** Entries that may lack their items. */
const FULL_TAIL = 64;
/** Requests that the SDK's client sends at the same time; the others wait. */
const SOCKETS = 50;
const CHANGE: LogChange = {
  lastOrderId: 0n,
  createTimeMs: 0,
  stores: [{ ...DEFAULT_STORE, storeId: 7n, lastNumber: 99n, createTimeMs: 0 }],
  created: new Set(),
  allocations: [],
  losses: [],
  isMoving: false,
  movedTo: undefined,
};

it('a write that is given up while earlier entries lack their items leaves the log open', async () => {
  const { log, proxy, closed } = await openLog();
  proxy.deny('BatchWriteItem');
  for (let i = 0; i < FULL_TAIL; i++) {
    await log.write({
      prepare,
      form: () => ({ answer: i, change: CHANGE, restsOnHead: false }),
      isAbandoned: () => false,
    });
  }
  let asked = 0;
  const given = log.write({ prepare, form: () => expect.unreachable(), isAbandoned: () => asked++ > 0 });
  await expect(given).rejects.toThrow('while the items of earlier entries were missing');
  expect(closed).toEqual([]);
});

it('P10: while items get no answer from the table, orders find a connection', async () => {
  const { log, proxy } = await openLog();
  const stores = Array.from({ length: 50 }, (_, i) => ({ ...CHANGE.stores[0]!, storeId: BigInt(i + 1) }));
  const change = { ...CHANGE, stores };
  proxy.ignore('BatchWriteItem');
  for (let i = 0; i < FULL_TAIL; i++) {
    await log.write({ prepare, form: () => ({ answer: i, change, restsOnHead: false }), isAbandoned: () => false });
  }
  expect(proxy.mostUnanswered).toBeGreaterThan(1);
  expect(proxy.mostUnanswered).toBeLessThan(SOCKETS);
});

it('P7: a refusal that rests on a table that goes away is given once it is back', async () => {
  const { log, proxy, closed } = await openLog();
  let formed = 0;
  const form = () => {
    if (formed++ === 0) proxy.refuse();
    return { answer: 'STORE_EXISTS', change: undefined, restsOnHead: true };
  };
  const refusal = log.write({ prepare, form, isAbandoned: () => false });
  refusal.catch(() => {});
  await expect.poll(() => closed).toMatchObject([expect.stringMatching(/^closed the log/)]);
  await proxy.allow();
  expect(await refusal).toBe('STORE_EXISTS');
});

it('a close does not wait for a table that does not say what a write needs', async () => {
  const { log } = await openLog();
  const [begun, failed] = [Promise.withResolvers<void>(), Promise.withResolvers<never>()];
  let attempts = 0;
  const write = log.write({
    prepare: () => {
      begun.resolve();
      return failed.promise;
    },
    form: () => expect.unreachable(),
    isAbandoned: () => attempts++ > 10,
  });
  await begun.promise;
  const closed = log.close();
  // By now it gives nothing to anybody else.
  await expect.poll(() => log.proven().catch((error: unknown) => error)).toMatchObject({ reason: 'LEDGER_REOPENING' });
  failed.reject(new NoAnswer('the table is away'));
  await expect(write).rejects.toThrow('the table is away');
  await closed;
});

async function prepare(): Promise<void> {}

async function openLog() {
  const { url, proxy } = await proxiedTable();
  const place = parseDynamodbUrl(url);
  const client = newClient(place);
  const closed: string[] = [];
  const table = { table: new Table(client, place.table), admin: new TableAdmin(client, place.table), name: place.name };
  const observer = {
    opened() {},
    waiting: (why: string) => void closed.push(why),
    failed() {},
    lost() {},
    warning() {},
    transaction() {},
  };
  const log = new Log({ ...table, expected: ANY_LEDGER }, observer, () => {});
  onTestFinished(async () => {
    await log.close();
    client.destroy();
  });
  await log.ready();
  return { log, proxy, closed };
}
