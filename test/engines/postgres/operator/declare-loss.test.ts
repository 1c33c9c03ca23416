import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { INT64_MAX } from '../../../../src/core/allocation.ts';
import type { Continuation, DeclaredLoss } from '../../../../src/engines/postgres/operator/declare-loss.ts';
import { declareLoss } from '../../../../src/engines/postgres/operator/declare-loss.ts';
import { verifyPostgresLedger } from '../../../../src/engines/postgres/operator/verify-database.ts';
import type { VerifyEvent } from '../../../../src/core/verify/events.ts';
import { parsePostgresUrl } from '../../../../src/engines/postgres/connection/postgres-url.ts';
import { orderNumbers } from '../../../support/processes/order-numbers-command.ts';
import { newDatabaseWithSchema } from '../../../support/postgres/database-with-schema.ts';
import { newDatabase, query } from '../../../support/postgres/database.ts';
import { testFolder } from '../../../support/processes/server-process.ts';
import { asRole, newRole, OpenedLedger, proxiedDatabase } from '../opened-ledger.ts';

/** Stores 7, with order_numbers up to 102, and 8, with 100; the ledger ends at order_id 4, and no server runs. */
async function restoredLedger(): Promise<string> {
  const url = await newDatabaseWithSchema();
  const opened = await OpenedLedger.open(url);
  for (const [requestId, storeId] of [
    ['a', 7n],
    ['b', 8n],
    ['c', 7n],
    ['d', 7n],
  ] as const) {
    await opened.allocate(requestId, storeId);
  }
  await opened.ledger.close();
  return url;
}

function declare(url: string, continuation: Partial<Continuation>, isAgreed = true): Promise<DeclaredLoss | undefined> {
  const { above = 10n, stores = [] } = continuation;
  return declareLoss(parsePostgresUrl(url), { above, stores }, async () => isAgreed, new AbortController().signal);
}

/** Everything that a declaration could change, except the version, which rises with every write. */
async function contentsOf(url: string): Promise<unknown> {
  const tables = ['ledger', 'stores', 'declared_losses'].map((table) =>
    query(url, `SELECT to_jsonb(row) - 'version' AS row FROM order_numbers.${table} AS row ORDER BY row::text`),
  );
  return Promise.all(tables);
}

describe('a PostgreSQL ledger that was restored to an earlier time', () => {
  it('P1 P2: continues above what was given, and verify finds nothing but declared losses', async () => {
    const url = await restoredLedger();
    const stores = [
      { storeId: 7n, nextNumber: 150n },
      { storeId: 9n, nextNumber: 5000n },
    ];
    expect(await declare(url, { above: 10n, stores })).toMatchObject({
      firstOrderId: 5n,
      lastOrderId: 10n,
      storesSkipped: 2n,
      storesCreated: 1n,
    });
    const before = await contentsOf(url);
    expect(await declare(url, { above: 10n, stores })).toMatchObject({
      length: 0n,
      storesSkipped: 0n,
      storesCreated: 0n,
    });
    expect(await contentsOf(url)).toEqual(before);

    const opened = await OpenedLedger.open(url);
    const given = [await opened.allocate('e', 7n), await opened.allocate('f', 8n), await opened.allocate('g', 9n)];
    expect(given).toMatchObject([
      { allocation: { orderId: 11n, orderNumber: 150n } },
      // One of its own, and as many as order_ids are lost.
      { allocation: { orderId: 12n, orderNumber: 107n } },
      { allocation: { orderId: 13n, orderNumber: 5000n } },
    ]);
    const events: VerifyEvent[] = [];
    for await (const event of verifyPostgresLedger(url, undefined)) events.push(event);
    expect(events.filter(({ kind }) => kind === 'finding')).toEqual([]);
    expect(events.filter(({ kind }) => kind === 'declaredLoss')).toMatchObject([
      { storeId: undefined, first: 5n, last: 10n },
      { storeId: 7n, first: 103n, last: 149n },
      { storeId: 8n, first: 101n, last: 106n },
    ]);
    expect(events.at(-1)).toMatchObject({ kind: 'verdict', ok: true });
  });

  it('P9: never goes back, and a refusal changes nothing', async () => {
    const role = await newRole();
    const url = await restoredLedger();
    const before = await contentsOf(url);
    const back = [{ storeId: 7n, nextNumber: 102n }];
    await expect(declare(url, { above: 3n })).rejects.toThrow(
      /ends at order_id 4, so continuing above 3 would give numbers twice/,
    );
    await expect(declare(url, { stores: back })).rejects.toThrow(
      /store 7 would give numbers twice: .* 102.* use 103 or more/,
    );
    await expect(declare(url, { above: INT64_MAX })).rejects.toThrow(/store 7 is at order_number 102 and cannot skip/);
    expect(await declare(url, {}, false)).toBeUndefined();
    await query(url, `GRANT USAGE ON SCHEMA order_numbers TO ${role}`);
    await query(url, `GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA order_numbers TO ${role}`);
    await expect(declare(asRole(url, role), {})).rejects.toThrow(/as the owner of the schema order_numbers/);
    const opened = await OpenedLedger.open(url);
    await expect(declare(url, {})).rejects.toThrow(/servers are connected .*first stop every one of them/);
    await opened.ledger.close();
    expect(await contentsOf(url)).toEqual(before);
  });

  it('is neither created nor upgraded by a declaration', async () => {
    const url = await newDatabase();
    await expect(declare(url, {})).rejects.toThrow(
      `no ledger exists in ${parsePostgresUrl(url).name}; name the database that was restored`,
    );
    expect(await query(url, `SELECT FROM pg_namespace WHERE nspname = 'order_numbers'`)).toEqual([]);
    const old = await restoredLedger();
    await query(old, 'DELETE FROM order_numbers.migrations WHERE version > 1');
    await expect(declare(old, { above: 3n })).rejects.toThrow(/continuing above 3 would give numbers twice/);
    expect(await declare(old, {})).toMatchObject({ length: 6n });
    expect(await query(old, 'SELECT max(version) AS version FROM order_numbers.migrations')).toEqual([{ version: 1 }]);
  });

  it('has an unknown declaration if the commit has no answer, and the message says what to do', async () => {
    const { url, proxy, proxiedUrl } = await proxiedDatabase();
    const opened = await OpenedLedger.open(url);
    await opened.allocate();
    await opened.ledger.close();
    const stop = new AbortController();
    const cut = proxy.cutAnswerOfNext((bytes) => bytes.includes('COMMIT\0'));
    void cut.then(() => stop.abort(new Error('stopped: nothing was changed')));
    const continuation = { above: 9n, stores: [] };
    await expect(
      declareLoss(parsePostgresUrl(proxiedUrl), continuation, async () => true, stop.signal),
    ).rejects.toThrow(/the loss may have been recorded, so run the same command again/);
    expect(await declare(url, continuation)).toMatchObject({ length: 0n, lastOrderId: 9n });
  });

  it('is declared by a command, which asks for confirmation or requires --yes', async () => {
    const url = await restoredLedger();
    const stores = join(testFolder(), 'stores.csv');
    writeFileSync(stores, 'store_id,next_number\n8,200\n');
    const args = ['declare-loss', url, '--continue-above', '20', '--stores', stores];
    const asked = await orderNumbers(args);
    expect(asked).toMatchObject({ exitCode: 1, stdout: '' });
    expect(asked.stderr).toMatch(/order_ids 5 to 20 are recorded as lost.*\n.*confirm the loss with --yes/);
    const done = await orderNumbers([...args, '--yes', '--json']);
    expect(done).toMatchObject({ exitCode: 0 });
    expect(JSON.parse(done.stdout)).toMatchObject({
      lastOrderId: '20',
      declaredLoss: { first: '5', last: '20' },
      stores: { skipped: '2', created: '0' },
    });
  });
});
