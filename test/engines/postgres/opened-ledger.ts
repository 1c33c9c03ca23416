import { randomBytes } from 'node:crypto';
import { onTestFinished } from 'vitest';
import type { AllocationRequest } from '../../../src/core/allocation.ts';
import type { PostgresLedgerOptions } from '../../../src/engines/postgres/postgres-ledger.ts';
import { PostgresLedger } from '../../../src/engines/postgres/postgres-ledger.ts';
import type { Outcome } from '../../../src/core/ledger.ts';
import type { OpenedLedger as Opening } from '../../../src/core/observers.ts';
import { newDatabaseWithSchema } from '../../support/postgres/database-with-schema.ts';
import { newDatabase, query } from '../../support/postgres/database.ts';
import { TcpProxy } from '../../support/network/tcp-proxy.ts';
import { until } from '../../support/until.ts';

/** A ledger and what it reports to its observer; closed when the test ends. */
export class OpenedLedger {
  readonly ledger: PostgresLedger;
  readonly said: string[] = [];
  /** What was reported each time a primary was found. */
  readonly openings: Opening[] = [];
  #requests = 0;

  /** It opens by itself: wait for `ready`. */
  constructor(url: string, options: Partial<PostgresLedgerOptions> = {}) {
    const opened = (opening: Opening) => void this.openings.push(opening);
    const say = (sentence: string) => void this.said.push(sentence);
    this.ledger = new PostgresLedger(
      url,
      { autoCreateStores: true, readUrl: undefined, ...options },
      {
        opened,
        waiting: say,
        failed: ({ cause }) => say(String(cause)),
        lost: say,
        warning: say,
        transaction() {},
      },
    );
    onTestFinished(() => this.ledger.close());
  }

  static async open(url: string, options: Partial<PostgresLedgerOptions> = {}): Promise<OpenedLedger> {
    const opened = new OpenedLedger(url, options);
    await opened.ledger.ready();
    return opened;
  }

  /** Commits a batch of one and returns its outcome. */
  async allocate(requestId = `request-${++this.#requests}`, storeId = 1n): Promise<Outcome> {
    const request: AllocationRequest = { storeId, requestId, count: 1, caller: '' };
    const [outcome] = await this.ledger.commit([request]);
    return outcome!;
  }

  /** Resolves when it has reported this, before or after the call. */
  async says(pattern: RegExp): Promise<void> {
    await until(
      () => `it says ${pattern}, and not only ${this.said.join(' | ')}`,
      () => this.said.some((sentence) => pattern.test(sentence)),
    );
  }
}

/** A database of the shared server, with the schema unless another one is given, and a proxy before it. */
export async function proxiedDatabase(given?: string): Promise<{ url: string; proxy: TcpProxy; proxiedUrl: string }> {
  const url = given ?? (await newDatabaseWithSchema());
  const { host } = new URL(url);
  const proxy = await TcpProxy.start(host);
  onTestFinished(() => proxy.close());
  return { url, proxy, proxiedUrl: url.replace(host, proxy.address) };
}

/** An ordinary role of the shared server with nothing but a name; dropped after the databases made later. */
export async function newRole(): Promise<string> {
  const server = await newDatabase();
  const role = `role_${randomBytes(8).toString('hex')}`;
  await query(server, `CREATE ROLE ${role} LOGIN`);
  onTestFinished(async () => {
    await query(server, `DROP ROLE ${role}`);
  });
  return role;
}

/** The same database as another role. */
export function asRole(url: string, role: string): string {
  return url.replace('//postgres@', `//${role}@`);
}

/** Ends the sessions of servers on this database, as an operator would. */
export async function endSessions(url: string): Promise<void> {
  await query(
    url,
    `SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
     WHERE datname = current_database() AND application_name = 'order-numbers'`,
  );
}
