import type { OrdersClient } from '../../../support/clients/orders-client.ts';
import { connect } from '../../../support/clients/orders-client.ts';
import { AUTHORITY } from '../../../support/network/certificates.ts';
import { onTestFinished } from 'vitest';

const IN_FLIGHT = 64;

/** Calls without pause, 64 at the same time on one connection, and one after the other on a new connection each. */
export class Load {
  /** The errors of calls. */
  readonly failures: unknown[] = [];
  /** Calls that were answered, and those of them that had a connection of their own. */
  answered = 0;
  connections = 0;
  readonly #address: string;
  readonly #running: Promise<unknown>;
  #isStopped = false;

  constructor(address: string) {
    this.#address = address;
    const shared = this.#connect();
    const callers = Array.from({ length: IN_FLIGHT }, () => this.#repeat(() => this.#call(shared)));
    this.#running = Promise.all([...callers, this.#repeat(() => this.#callAnew())]).finally(() => shared.close());
    onTestFinished(() => this.stop());
  }

  /** Resolves when every call has ended. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
  }

  async #repeat(call: () => Promise<void>): Promise<void> {
    while (!this.#isStopped) await call().catch((error: unknown) => void this.failures.push(error));
  }

  async #callAnew(): Promise<void> {
    const client = this.#connect();
    try {
      await this.#call(client);
      this.connections++;
    } finally {
      client.close();
    }
  }

  async #call(client: OrdersClient): Promise<void> {
    await client.allocateOrder({ storeId: 7n, requestId: '' }, { deadlineMs: 20_000 });
    this.answered++;
  }

  #connect(): OrdersClient {
    return connect(this.#address, { ca: AUTHORITY.cert });
  }
}
