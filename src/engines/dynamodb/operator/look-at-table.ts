import { LedgerRefused } from '../../../core/errors.ts';
import { mayCreate, notCreated, requireExpectedId } from '../../../core/expected-ledger.ts';
import type { LedgerLook, LedgerSettings } from '../../engine.ts';
import { expectedLedger } from '../../engine.ts';
import { newClient } from '../connection/client.ts';
import { parseDynamodbUrl } from '../connection/dynamodb-url.ts';
import { requireServed } from '../log/served.ts';
import { readView } from '../log/opening.ts';
import { failureOf, reasonOf, remedyFor } from '../table/failures.ts';
import { logKey } from '../table/keys.ts';
import { Table } from '../table/table.ts';

const NOT_CHECKED = ['whether these credentials may write'];

/** Looks at the ledger of a table without changing anything. */
export async function lookAtTable(settings: LedgerSettings): Promise<LedgerLook> {
  const url = parseDynamodbUrl(settings.ledger);
  const expected = expectedLedger(settings);
  const nothing = { ledgerId: undefined, lastOrderId: undefined, warnings: [], notChecked: NOT_CHECKED };
  try {
    const client = newClient(url);
    try {
      const table = new Table(client, url.table);
      if (!(await hasLedger(table))) {
        if (!mayCreate(expected)) throw notCreated(url.name, expected);
        return { ...nothing, found: `${url.name} has no ledger yet: a server would create one`, problems: [] };
      }
      const view = await readView(table, url.name);
      const { ledgerId } = view.genesis;
      requireExpectedId(url.name, ledgerId, expected);
      requireServed(url.name, view);
      const found = `${url.name} is ledger ${ledgerId}, up to order_id ${view.lastOrderId}`;
      return { ...nothing, found, ledgerId, lastOrderId: view.lastOrderId, problems: [] };
    } finally {
      client.destroy();
    }
  } catch (error) {
    return { ...nothing, found: undefined, problems: [problemOf(url.name, error)] };
  }
}

/** What is wrong, and what to do about it. */
function problemOf(name: string, error: unknown): string {
  if (error instanceof LedgerRefused) return error.message;
  return `${name} cannot be read (${reasonOf(error)}); ${remedyFor(error)}`;
}

async function hasLedger(table: Table): Promise<boolean> {
  try {
    return (await table.get(logKey(0))) !== undefined;
  } catch (error) {
    if (failureOf(error) === 'no table') return false;
    throw error;
  }
}
