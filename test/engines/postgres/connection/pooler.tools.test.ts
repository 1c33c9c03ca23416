import { randomUUID } from 'node:crypto';
import { Client } from 'pg';
import { expect, it, onTestFinished } from 'vitest';
import { MoveTarget } from '../../../../src/engines/postgres/operator/move-target.ts';
import { prepareDatabase } from '../../../../src/engines/postgres/operator/prepare-database.ts';
import { assertDense } from '../../../support/postgres/density.ts';
import { databaseName, newDatabase, query } from '../../../support/postgres/database.ts';
import { poolTransactions } from '../../../support/postgres/pooler.ts';
import { requireTools } from '../../../support/required-tool.ts';
import { OpenedLedger } from '../opened-ledger.ts';

it('P1 P4 P5: through a pooler in transaction mode all orders are numbered once and durably, with one warning', async (test) => {
  requireTools(test, 'pgbouncer');
  const url = await newDatabase();
  await query(url, `ALTER DATABASE ${databaseName(url)} SET synchronous_commit = off`);
  const pooled = await poolTransactions(url);
  const ledgers = [await OpenedLedger.open(pooled), await OpenedLedger.open(pooled)];
  for (let i = 0; i < 50; i++) {
    await Promise.all(ledgers.map((ledger, j) => ledger.allocate(`r-${i}-${j % 2}`)));
    await Promise.all(ledgers.map((ledger) => ledger.allocate('again')));
  }
  await ledgers[0]!.ledger.createStore({ storeId: 9n, firstNumber: 1n, prefix: '', suffix: '', minDigits: 0 });
  expect(await assertDense(url)).toHaveLength(101);
  const said = ledgers.map((ledger) => ledger.said.filter((sentence) => !/synchronous standby/.test(sentence)));
  const warning = expect.stringMatching(/as a pooler in transaction mode does/);
  expect(said).toEqual([[warning], [warning]]);
});

it('P8: no ledger is moved through a pooler in transaction mode, which would lose the lock of the move', async (test) => {
  requireTools(test, 'pgbouncer');
  const url = await newDatabase();
  const pooled = await poolTransactions(url);
  const { session } = await prepareDatabase([pooled], new AbortController().signal);
  const target = await MoveTarget.open(session, 'the pool');
  onTestFinished(() => target.close());
  const other = new Client({ connectionString: pooled });
  await other.connect();
  onTestFinished(() => other.end());
  // Repeated until it occupies the backend that the session was set up on.
  for (let backend = 0; backend !== session.state.backend;) {
    await other.query('ROLLBACK');
    await other.query('BEGIN');
    backend = (await other.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]!.pid;
  }
  await expect(target.claim({ ledgerId: randomUUID(), firstOrderId: 1n }, false)).rejects.toThrow(
    'the pool is behind a pooler in transaction mode',
  );
});
