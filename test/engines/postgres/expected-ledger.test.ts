import { expect, it } from 'vitest';
import { parsePostgresUrl } from '../../../src/engines/postgres/connection/postgres-url.ts';
import { newDatabase, query } from '../../support/postgres/database.ts';
import { OpenedLedger, proxiedDatabase } from './opened-ledger.ts';

const ANOTHER = '00000000-0000-4000-8000-000000000000';

it('reports which ledger was opened, without its password, and whether it is new', async () => {
  const url = (await newDatabase()).replace('//postgres@', '//postgres:s3cret@');
  const first = await OpenedLedger.open(url);
  await first.allocate();
  const second = await OpenedLedger.open(url);
  const where = parsePostgresUrl(url).name;
  expect(where).not.toContain('s3cret');
  expect([...first.openings, ...second.openings]).toMatchObject([
    { where, isNew: true, lastOrderId: 0n, bytes: expect.any(Number) },
    { where, isNew: false, lastOrderId: 1n, ledgerId: first.openings[0]!.ledgerId },
  ]);
});

it('reports it as new even if the first attempt to use it failed after its creation', async () => {
  const { proxy, proxiedUrl } = await proxiedDatabase(await newDatabase());
  const cut = proxy.cutAnswerOfNext((bytes) => bytes.includes('FROM durable, order_numbers.confirm('));
  const { openings } = await OpenedLedger.open(proxiedUrl);
  await cut;
  expect(openings).toMatchObject([{ isNew: true, lastOrderId: 0n }]);
});

it('an empty database stays empty if no ledger may be created, or a certain one is expected', async () => {
  const url = await newDatabase();
  for (const expected of [
    { create: false, ledgerId: undefined },
    { create: true, ledgerId: ANOTHER },
  ]) {
    const { name } = parsePostgresUrl(url);
    const { ledger, said } = new OpenedLedger(url, { expected });
    await expect(ledger.ready()).rejects.toMatchObject({ name: 'OrderError' });
    expect(said.join()).toContain(`no ledger exists in ${name}, and --`);
  }
  expect(await query(url, `SELECT FROM pg_namespace WHERE nspname = 'order_numbers'`)).toEqual([]);
});

it('a ledger other than the expected one is refused, both are named, and nothing is written', async () => {
  const url = await newDatabase();
  const { openings, ledger } = await OpenedLedger.open(url);
  const { ledgerId } = openings[0]!;
  await ledger.close();
  const before = await query(url, 'SELECT * FROM order_numbers.ledger');
  const refused = new OpenedLedger(url, { expected: { create: true, ledgerId: ANOTHER } });
  await expect(refused.ledger.ready()).rejects.toMatchObject({ name: 'OrderError' });
  expect(refused.said.join()).toContain(`is ledger ${ledgerId}, but --expect-ledger-id is ${ANOTHER}`);
  expect(await query(url, 'SELECT * FROM order_numbers.ledger')).toEqual(before);
  await OpenedLedger.open(url, { expected: { create: false, ledgerId } });
});
