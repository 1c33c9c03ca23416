import { onTestFinished } from 'vitest';
import { ANY_LEDGER } from '../../../src/core/expected-ledger.ts';
import type { LedgerObserver, OpenedLedger as Opening } from '../../../src/core/observers.ts';
import { newClient } from '../../../src/engines/dynamodb/connection/client.ts';
import { parseDynamodbUrl } from '../../../src/engines/dynamodb/connection/dynamodb-url.ts';
import { DynamodbLedger } from '../../../src/engines/dynamodb/dynamodb-ledger.ts';
import { TableAdmin } from '../../../src/engines/dynamodb/table/table-admin.ts';
import { Table } from '../../../src/engines/dynamodb/table/table.ts';
import { until } from '../until.ts';

/** A ledger in a table and what it reports to its observer; closed when the test ends. */
export class OpenedLedger {
  readonly ledger: DynamodbLedger;
  readonly said: string[] = [];
  readonly openings: Opening[] = [];

  /** It opens by itself: wait for `ready`. */
  constructor(url: string, autoCreateStores = true) {
    const { table, name, ...place } = parseDynamodbUrl(url);
    const client = newClient({ table, name, ...place });
    const say = (sentence: string) => void this.said.push(sentence);
    const observer: LedgerObserver = {
      opened: (opening) => void this.openings.push(opening),
      waiting: say,
      failed: ({ cause }) => say(String(cause)),
      lost: say,
      warning: say,
      transaction() {},
    };
    const there = { table: new Table(client, table), admin: new TableAdmin(client, table), name };
    this.ledger = new DynamodbLedger({ ...there, expected: ANY_LEDGER }, autoCreateStores, observer);
    onTestFinished(async () => {
      await this.ledger.close();
      client.destroy();
    });
  }

  static async open(url: string): Promise<OpenedLedger> {
    const opened = new OpenedLedger(url);
    await opened.ledger.ready();
    return opened;
  }

  /** Resolves when it has reported this, before or after the call. */
  async says(pattern: RegExp): Promise<void> {
    await until(
      () => `it says ${pattern}, and not only ${this.said.join(' | ')}`,
      () => this.said.some((sentence) => pattern.test(sentence)),
    );
  }
}
