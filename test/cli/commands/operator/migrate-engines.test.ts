import { join } from 'node:path';
import { expect, it } from 'vitest';
import { engineOf } from '../../../../src/engines/location.ts';
import { newTableUrl } from '../../../support/dynamodb/dynalite.ts';
import type { LedgerText } from '../../../support/ledgers/moved-ledger.ts';
import { move, richLedger, textOfDatabase, textOfFile, whileServed } from '../../../support/ledgers/moved-ledger.ts';
import { textOfTable } from '../../../support/ledgers/moved-table.ts';
import { newDatabase } from '../../../support/postgres/database.ts';
import { localOrderNumbers as orderNumbers } from '../../../support/processes/local-command.ts';
import { refusedStart } from '../../../support/processes/refused-start.ts';
import { testFolder } from '../../../support/processes/server-process.ts';

const PLACES = { file: () => join(testFolder(), 'moved.db'), database: newDatabase, table: newTableUrl };

function textOf(ledger: string): LedgerText | Promise<LedgerText> {
  const read = { sqlite: textOfFile, postgres: textOfDatabase, dynamodb: textOfTable };
  return read[engineOf(ledger)](ledger);
}

it.each<[string, ...(keyof typeof PLACES)[]]>([
  ['SQLite to DynamoDB, to PostgreSQL, to SQLite', 'table', 'database', 'file'],
  ['SQLite to PostgreSQL, to DynamoDB, to SQLite', 'database', 'table', 'file'],
])('P1 P2 P3 P5: a ledger goes from %s, and numbers on in each', async (_, ...places) => {
  let from = await richLedger();
  for (const [i, place] of places.entries()) {
    const before = await textOf(from);
    const to = await PLACES[place]();
    const moved = await move(from, to);
    expect(moved).toMatchObject({ exitCode: 0, stderr: expect.stringMatching(/^moved: serve it with --ledger /) });
    expect(await textOf(to)).toEqual(before);
    expect(await textOf(from)).toEqual(before);
    expect((await move(from, to)).stderr).toMatch(/^nothing to do: /);
    expect(await refusedStart(from)).toMatch(/moved to .*serve that one/);
    await numberOn(to, before, i);
    expect(await orderNumbers(['verify', to])).toMatchObject({ exitCode: 0 });
    from = to;
  }
});

/** Replays what was allocated with the first of this text, and continues exactly behind its end. */
async function numberOn(ledger: string, { ledger: [counters], allocations, stores }: LedgerText, i: number) {
  const storeId = 2n ** 53n + 1n;
  const lastOrderId = BigInt(counters!.split(',')[2]!);
  const lastNumber = BigInt(stores.find((store) => store.startsWith(`${storeId},`))!.split(',')[2]!);
  await whileServed(ledger, async (client) => {
    for (const row of allocations.filter((each) => !each.includes('"'))) {
      const [orderId, store, orderNumber, count, requestId] = row.split(',');
      const { allocation, replayed } = await client.allocate(BigInt(store!), Number(count), requestId!);
      expect({ ...allocation, replayed }).toMatchObject({
        orderId: BigInt(orderId!),
        orderNumber: BigInt(orderNumber!),
        replayed: true,
      });
    }
    const { allocation } = await client.allocate(storeId, 2, `next-${i}`);
    expect(allocation).toMatchObject({ orderId: lastOrderId + 1n, orderNumber: lastNumber + 1n });
    // A style that differs from that of the rows before.
    await client.updateStore({ storeId, suffix: `/${i}` }, 'suffix');
    await client.allocate(storeId, 1, `styled-${i}`);
    await client.createStore({ storeId: BigInt(100 + i), firstNumber: 7n });
    await expect(client.allocate(7n, 1, 'one-too-many')).rejects.toMatchObject({ details: /2\^63-1/ });
  });
}
