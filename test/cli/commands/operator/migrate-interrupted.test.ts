import type { ChildProcess } from 'node:child_process';
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { faultRun, timeoutMs } from '../../../faults/frame/fault-run.ts';
import { fillLedger, fills } from '../../../support/ledgers/filled-ledger.ts';
import { move, textOfDatabase, textOfFile, whileServed } from '../../../support/ledgers/moved-ledger.ts';
import { connect } from '../../../support/clients/orders-client.ts';
import { newDatabase, query } from '../../../support/postgres/database.ts';
import { newDatabaseWithSchema } from '../../../support/postgres/database-with-schema.ts';
import { refusedStart } from '../../../support/processes/refused-start.ts';
import { LocalServer } from '../../../support/processes/local-server.ts';
import { testFolder } from '../../../support/processes/server-process.ts';
import {
  ACTIVATION,
  ended,
  hasEnded,
  hold,
  isHeld,
  newSession,
  startMove,
} from '../../../support/ledgers/started-move.ts';
import { TcpProxy } from '../../../support/network/tcp-proxy.ts';
import { until } from '../../../support/until.ts';

const RUN = faultRun('kill', { short: 3, long: 7 });
/** Two chunks. */
const ROWS = 6_000;

/** A file of so many rows, and an empty database that has the schema. */
async function ledgers(rows = ROWS) {
  const from = fillLedger(join(testFolder(), 'orders.db'), ...fills(rows)).database;
  return { from, to: await newDatabaseWithSchema() };
}

const SECOND_CHUNK = 'BEFORE INSERT ON order_numbers.allocations FOR EACH ROW WHEN (NEW.order_id = 5001)';

/** Resolves when no session is left: a server notices within a second that its client was killed. */
async function hasNoSessions(url: string): Promise<void> {
  const session = await newSession(url);
  await until('the session of the command ends', async () => {
    const { rows } = await session.query<{ holds: boolean }>(`SELECT ${connectedAnd('true')} AS holds`);
    return rows[0]?.holds === false;
  });
}

function connectedAnd(condition: string): string {
  return `EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
    AND application_name = 'order-numbers' AND ${condition})`;
}

function copiedUpTo(orderId: bigint): string {
  return `coalesce((SELECT max(order_id) FROM order_numbers.allocations), 0) >= ${orderId}`;
}

/** Resolves when this condition holds, or the command has ended. */
async function whileMoving(child: ChildProcess, url: string, holds: string): Promise<void> {
  const session = await newSession(url);
  const isMet = async () => {
    if (hasEnded(child)) return true;
    const { rows } = await session.query<{ holds: boolean }>(`SELECT (${holds}) AS holds`);
    return rows[0]?.holds === true;
  };
  // Some moments are short.
  await until(`${holds}, or the end of the command`, isMet, 5);
}

it(
  'P1 P2 P5 P8: a move killed at any moment resumes where it stopped, and the two ledgers never both number',
  async () => {
    // Three chunks, or eight in the long form, so that no step is too short to be hit.
    const [rows, kills] = RUN.isLong ? [37_000, 7] : [12_500, 3];
    const { from, to } = await ledgers(rows);
    // Each run has to copy what the file allocated since the last one.
    const moments: ((end: bigint) => string)[] = [
      () => connectedAnd('true'),
      () => '(SELECT moving_from FROM order_numbers.ledger) IS NOT NULL',
      ...Array.from({ length: kills }, (_, i) => () => copiedUpTo(BigInt(1 + 5000 * i))),
      // The last row is a run of two.
      (end) => copiedUpTo(end - 1n),
      (end) => `(SELECT last_order_id FROM order_numbers.ledger) >= ${end}`,
      () => connectedAnd("query LIKE '%verify_allocations%'"),
      () => connectedAnd("query LIKE '%verify_request_ids%'"),
    ];
    let end = BigInt(rows);
    for (const [i, moment] of moments.entries()) {
      const child = startMove(from, to);
      await whileMoving(child, to, moment(end));
      child.kill('SIGKILL');
      expect([moment(end), await ended(child)]).toEqual([moment(end), null]);
      // The file keeps numbering, so that the next run has to copy that, too; the database does not.
      fillLedger(from, { storeId: BigInt(1 + i), requestId: `between-${i}`, count: 2 });
      end += 2n;
    }
    expect(await refusedStart(to)).toMatch(/another ledger is being copied into this one/);
    expect((await whileServed(from, (client) => client.allocate(1n))).allocation.orderId).toBe(++end);

    expect(await move(from, to)).toMatchObject({ exitCode: 0 });
    expect(await textOfDatabase(to)).toEqual(textOfFile(from));
    expect(await refusedStart(from)).toContain('was moved to');
    const { allocation } = await whileServed(to, (client) => client.allocate(1n));
    expect(allocation.orderId).toBe(end + 1n);
  },
  timeoutMs(RUN),
);

it('P1: after a kill between sealing the file and opening the database neither numbers, and the same command finishes', async () => {
  const { from, to } = await ledgers(60);
  const before = textOfFile(from);
  const goOn = await hold(to, ACTIVATION);
  const child = startMove(from, to);
  await isHeld(to);
  child.kill('SIGKILL');
  await ended(child);
  expect(await refusedStart(from)).toBe(`${from} was moved to ${to} and must never number again; serve that one`);
  await hasNoSessions(to);
  expect(await refusedStart(to)).toMatch(/another ledger is being copied into this one/);
  expect((await move(from, await newDatabase())).stderr).toContain('was moved to');

  await goOn();
  expect(await move(from, to)).toMatchObject({ exitCode: 0, stderr: expect.stringContaining('moved: serve it') });
  expect(await textOfDatabase(to)).toEqual(before);
  expect((await whileServed(to, (client) => client.allocate(1n))).allocation.orderId).toBe(61n);
});

it('P1: a database whose source is sealed is never filled up again, because it may have numbered', async () => {
  const { from, to } = await ledgers(60);
  const goOn = await hold(to, ACTIVATION);
  const child = startMove(from, to);
  await isHeld(to);
  child.kill('SIGKILL');
  await ended(child);
  await hasNoSessions(to);
  await goOn();
  await query(to, 'DELETE FROM order_numbers.allocations WHERE order_id = 60');
  const { exitCode, stderr } = await move(from, to);
  expect(exitCode).toBe(1);
  expect(stderr).toMatch(/order_id 60 is in .* but not in .* was sealed; put its newest copy back\n$/);
  expect(await refusedStart(to)).toMatch(/another ledger is being copied/);
});

it('P7: a lost answer to the last step is unknown, and the step is retried', async () => {
  const { from, to } = await ledgers(60);
  const proxy = await TcpProxy.start(new URL(to).host);
  onTestFinished(() => proxy.close());
  const through = to.replace(new URL(to).host, proxy.address);
  let isLastStep = false;
  void proxy.cutAnswerOfNext((sent) => {
    isLastStep ||= sent.includes('moving_from = NULL');
    return isLastStep && sent.includes('COMMIT');
  });
  const { exitCode, stderr } = await move(from, through);
  expect(exitCode).toBe(1);
  expect(stderr).toMatch(
    /is sealed, and the move to .* may not have finished; run the same command again to continue\n$/,
  );
  expect(await move(from, through)).toMatchObject({ exitCode: 0, stderr: expect.stringMatching(/^nothing to do/) });
});

it('a connection lost during the copy leaves the file unchanged', async () => {
  const { from, to } = await ledgers();
  await hold(to, SECOND_CHUNK);
  const child = startMove(from, to);
  await isHeld(to);
  await query(to, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'advisory'");
  expect(await ended(child)).toBe(1);
  expect(await child.said).toMatch(
    /^error: PostgreSQL on .*; nothing was moved, and .*orders\.db can still be served; run the same command again to continue\n$/,
  );
  expect((await whileServed(from, (client) => client.allocate(1n))).allocation.orderId).toBe(BigInt(ROWS) + 1n);
});

it.each(['SIGINT', 'SIGTERM'] as const)(
  '%s stops it, and the next run continues after the copied part',
  async (signal) => {
    const { from, to } = await ledgers();
    const goOn = await hold(to, SECOND_CHUNK);
    const child = startMove(from, to);
    await isHeld(to);
    child.kill(signal);
    expect(await ended(child)).toBe(1);
    expect(await child.said).toMatch(
      /^error: stopped; nothing was moved, and .*orders\.db can still be served; run the same command again to continue\n$/,
    );
    await goOn();
    await query(
      to,
      'CREATE TABLE copied_before AS SELECT order_id, xmin::text AS writer FROM order_numbers.allocations',
    );
    expect(await move(from, to)).toMatchObject({ exitCode: 0 });
    const kept = 'SELECT count(*) AS rows FROM copied_before JOIN order_numbers.allocations a USING (order_id)';
    expect(await query(to, `${kept} WHERE a.xmin::text = writer`)).toEqual([{ rows: 5000n }]);
  },
);

it('P1 P2: a row altered in the copy is named, and the file is not sealed', async () => {
  const { from, to } = await ledgers();
  const goOn = await hold(to, SECOND_CHUNK);
  const child = startMove(from, to);
  await isHeld(to);
  child.kill('SIGKILL');
  await ended(child);
  await goOn();
  await query(to, "UPDATE order_numbers.allocations SET suffix = '!' WHERE order_id = 4321");
  const { exitCode, stdout, stderr } = await move(from, to);
  expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: '' });
  expect(stderr).toBe(
    `error: the copy differs: the allocation of order_id 4321 differs in suffix: "" in ${from}, "!" in ${to}; ` +
      `drop the schema order_numbers of ${to} to start over; nothing was moved, and ${from} can still be served\n`,
  );
  expect((await whileServed(from, (client) => client.allocate(1n))).allocation.orderId).toBe(BigInt(ROWS) + 1n);
  await query(to, 'DROP SCHEMA order_numbers CASCADE');
  expect(await move(from, to)).toMatchObject({ exitCode: 0 });
});

it('P8: of two concurrent moves, from one file or from copies of it, only one succeeds', async () => {
  const { from, to } = await ledgers();
  const copy = join(testFolder(), 'copy.db');
  copyFileSync(from, copy);
  copyFileSync(`${from}.mark`, `${copy}.mark`);
  const goOn = await hold(to, SECOND_CHUNK);
  const first = startMove(from, to);
  await isHeld(to);
  const [same, other] = await Promise.all([move(from, to), move(copy, to)]);
  expect(same.stderr).toMatch(/orders\.db is in use by another order-numbers process/);
  expect(other.stderr).toMatch(/another order-numbers migrate is running on .*; wait until it has ended/);
  await goOn();
  expect(await ended(first)).toBe(0);
  expect(await textOfDatabase(to)).toEqual(textOfFile(from));
});

it('P1: a server idle on the empty database does not number during a move, and after it only once restarted', async () => {
  const { from, to } = await ledgers();
  // Its queue never empties.
  const idle = new LocalServer(to);
  const client = connect(await idle.serving());
  onTestFinished(() => client.close());
  // A session that is never ended, like one of a server behind a connection pool.
  const session = await newSession(to);
  const allocate = "SELECT * FROM order_numbers.allocate('{7}', '{r}', '{1}', true)";

  const goOn = await hold(to, SECOND_CHUNK);
  const child = startMove(from, to);
  await isHeld(to);
  await idle.line(/the ledger cannot be opened yet: .*another ledger is being copied into this one/);
  expect(await client.checkHealth()).not.toBe('SERVING');
  const refused = { requestId: 'in-the-middle', storeId: 7n };
  await expect(client.allocateOrder(refused, { deadlineMs: 1000 })).rejects.toMatchObject({
    details: expect.not.stringContaining('orderId') as string,
  });
  await expect(session.query(allocate)).rejects.toMatchObject({ code: 'ON001' });
  await goOn();
  expect(await ended(child)).toBe(0);

  await idle.line(/the ledger cannot be opened yet: .* was served; put that one back, or restart this server/);
  await expect(client.allocateOrder(refused, { deadlineMs: 1000 })).rejects.toThrow(/./);
  expect(await textOfDatabase(to)).toEqual(textOfFile(from));
  const { allocation } = await whileServed(to, (newClient) => newClient.allocate(1n));
  expect(allocation.orderId).toBe(BigInt(ROWS) + 1n);
});
