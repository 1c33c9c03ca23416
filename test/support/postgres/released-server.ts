import { Client } from 'pg';
import { onTestFinished } from 'vitest';
import type { Row } from './query.ts';
import { ALLOCATE, READS, WRITES } from './released-statements.ts';

/** An outcome of a batch as the last release reads it. */
export type ReleasedOutcome = Pick<Row, 'item' | 'outcome' | 'order_id' | 'order_number'>;

/**
 * The session of a server of the last release, which has prepared all of its statements: all are run by name, also
 * those that the release sends with their text each time. Ends with the test.
 */
export class ReleasedServer {
  readonly #client: Client;
  readonly #ledgerId: string;

  private constructor(client: Client, ledgerId: string) {
    this.#client = client;
    this.#ledgerId = ledgerId;
  }

  /** Needs a schema of version 2 or later, and stores 1 to 3 for all that it reads. */
  static async connect(url: string): Promise<ReleasedServer> {
    const client = new Client({ connectionString: url });
    client.on('error', () => {});
    await client.connect();
    onTestFinished(() => client.end());
    const { rows } = await client.query<{ ledger_id: string }>('SELECT ledger_id FROM order_numbers.ledger_end()');
    return new ReleasedServer(client, rows[0]!.ledger_id);
  }

  /** Commits a batch of one number for each request, which the stores take in turn. */
  async allocate(...requestIds: readonly string[]): Promise<readonly ReleasedOutcome[]> {
    const stores = requestIds.map((_, i) => (i % 3) + 1);
    const values = [stores, requestIds, requestIds.map(() => 1), true, this.#ledgerId];
    return (await this.#client.query<ReleasedOutcome>({ name: 'allocate', text: ALLOCATE, values })).rows;
  }

  /** What each of the reads returns, without the versions of ledger and schema, which rise. */
  async read(): Promise<unknown[]> {
    const read: unknown[] = [];
    for (const [i, [text, valuesOf]] of READS.entries()) {
      const values = [...valuesOf(this.#ledgerId)];
      const { rows } = await this.#client.query<Row>({ name: `read ${i}`, text, values });
      for (const row of rows) delete row['version'];
      read.push(rows);
    }
    return read;
  }

  /** Confirms, and creates and changes a store. */
  async write(): Promise<void> {
    for (const [i, [text, values]] of WRITES.entries()) {
      await this.#client.query({ name: `write ${i}`, text, values: [...values, this.#ledgerId] });
    }
  }
}
