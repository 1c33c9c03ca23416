import { expect, it, onTestFinished } from 'vitest';
import { openMoveSource } from '../../../../src/engines/postgres/operator/move-source.ts';
import { openMoveTarget } from '../../../../src/engines/postgres/operator/move-target.ts';
import { newSession } from '../../../support/ledgers/started-move.ts';
import { newDatabase, query } from '../../../support/postgres/database.ts';
import { newDatabaseWithSchema } from '../../../support/postgres/database-with-schema.ts';
import { until } from '../../../support/until.ts';
import { OpenedLedger } from '../opened-ledger.ts';

const { signal } = new AbortController();
const PLACE = { name: "/data/the shop's $$ orders.db", identity: 'file 7' };
const ALLOCATE = "SELECT * FROM order_numbers.allocate_for('{7}', '{r}', '{1}', '{}', true)";

it('P8: a database that a server is connected to is not moved, and the server goes on', async () => {
  const url = await newDatabaseWithSchema();
  const opened = await OpenedLedger.open(url);
  const source = await openMoveSource(url, signal);
  onTestFinished(() => source.close());
  await expect(source.hold(PLACE)).rejects.toThrow(/servers are connected to .*; first stop every one of them/);
  await source.release();
  expect(await opened.allocate()).toMatchObject({ replayed: false });
});

/** A batch of a server that connected after the move began, as soon as it waits. */
async function waitingBatch(url: string): Promise<{ readonly outcome: Promise<unknown> }> {
  const session = await newSession(url);
  const outcome = session.query(ALLOCATE);
  outcome.catch(() => {});
  const waiting = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
  await until('the batch waits', async () => (await query(url, waiting)).length > 0);
  return { outcome };
}

it('P1: a batch that comes during a move waits, and is numbered if the command ends before the seal', async () => {
  const url = await newDatabaseWithSchema();
  const source = await openMoveSource(url, signal);
  await source.hold(PLACE);
  const { outcome } = await waitingBatch(url);
  expect(source.isSealed).toBe(false);
  await source.close();
  await expect(outcome).resolves.toMatchObject({ rows: [{ outcome: 'new' }] });
});

it('P1 P8: a batch that comes during a move is refused after the seal, and so is everything else', async () => {
  const url = await newDatabaseWithSchema();
  const source = await openMoveSource(url, signal);
  await source.hold(PLACE);
  const { outcome } = await waitingBatch(url);
  await source.seal(PLACE);
  expect(source.isSealed).toBe(true);
  const refusal = `this ledger was moved to ${PLACE.name} and must never number again; serve that one`;
  await expect(outcome).rejects.toMatchObject({ code: 'ON001', message: refusal });
  await source.close();

  const again = await openMoveSource(url, signal);
  onTestFinished(() => again.close());
  expect(again.isSealed).toBe(true);
  again.requireNotElsewhere({ ...PLACE, name: 'the same by another name' });
  expect(() => again.requireNotElsewhere({ name: 'b.db', identity: 'file 8' })).toThrow(
    `was moved to ${PLACE.name} and`,
  );
  await again.hold(PLACE);
  await again.close();
  const { ledgerId, firstOrderId } = await again.counters().catch(() => ({ ledgerId: 'any', firstOrderId: 1n }));
  const target = await openMoveTarget(url, signal);
  onTestFinished(() => target.close());
  await expect(target.claim({ ledgerId, firstOrderId }, false)).rejects.toThrow(`was moved to ${PLACE.name} and must`);
  const server = new OpenedLedger(url);
  await server.says(/this ledger was moved to/);
});

it('a database that has no ledger, or a part of one, is refused', async () => {
  const empty = await newDatabase();
  await expect(openMoveSource(empty, signal)).rejects.toThrow(/no ledger exists in postgres:/);
  const url = await newDatabaseWithSchema();
  await query(url, "UPDATE order_numbers.ledger SET moving_from = 'another'");
  await expect(openMoveSource(url, signal)).rejects.toThrow(/a ledger is being moved into .*; finish that/);
});
