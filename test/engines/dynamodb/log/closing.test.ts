import { expect, it } from 'vitest';
import { ANY_LEDGER } from '../../../../src/core/expected-ledger.ts';
import { LedgerView } from '../../../../src/engines/dynamodb/log/ledger-view.ts';
import { OpenLog } from '../../../../src/engines/dynamodb/log/open-log.ts';
import { TurnTaking } from '../../../../src/engines/dynamodb/log/turn-taking.ts';
import { TableAdmin } from '../../../../src/engines/dynamodb/table/table-admin.ts';
import type { TableClient } from '../../../../src/engines/dynamodb/table/table.ts';
import { Table } from '../../../../src/engines/dynamodb/table/table.ts';

it('a close ends the pause in which a server leaves others room', async () => {
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
  expect(await written).toBe('an answer');
  expect(turns.pauseMs).toBeGreaterThan(5000);
});
