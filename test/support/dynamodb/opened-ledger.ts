import { onTestFinished } from 'vitest';
import { ANY_LEDGER } from '../../../src/core/expected-ledger.ts';
import type { ClosedReason } from '../../../src/core/ledger-state.ts';
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
  /** Why it was closed, each time. */
  readonly reasons: ClosedReason[] = [];

  /** It opens by itself: wait for `ready`. `before` is done before each request is sent. */
  constructor(url: string, autoCreateStores = true, before?: (command: object) => Promise<void>) {
    const { table, name, ...place } = parseDynamodbUrl(url);
    const client = newClient({ table, name, ...place });
    const send = async (command: never, options: never) => {
      await before?.(command);
      return client.send(command, options);
    };
    const say = (sentence: string) => void this.said.push(sentence);
    const observer: LedgerObserver = {
      opened: (opening) => void this.openings.push(opening),
      waiting: (sentence, reason) => {
        this.reasons.push(reason);
        say(sentence);
      },
      failed: ({ cause }) => say(String(cause)),
      lost: say,
      warning: say,
      transaction() {},
    };
    const there = {
      table: new Table({ send: send as typeof client.send }, table),
      admin: new TableAdmin(client, table),
      name,
    };
    this.ledger = new DynamodbLedger({ ...there, expected: ANY_LEDGER }, autoCreateStores, observer);
    onTestFinished(async () => {
      await this.ledger.close();
      client.destroy();
    });
  }

  static async open(...place: ConstructorParameters<typeof OpenedLedger>): Promise<OpenedLedger> {
    const opened = new OpenedLedger(...place);
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
