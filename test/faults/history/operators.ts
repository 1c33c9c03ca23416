import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { OrderNumbersClient } from '../../../src/client/index.ts';
import { orderNumbers } from '../../support/processes/order-numbers-command.ts';
import type { History } from './history.ts';

const PAUSE_MS = 100;
/** A backup is a process of its own. */
const BACKUP_ONE_IN = 8;
/** Store ids above those that a load numbers for. */
const FIRST_STORE = 1_000_000n;

export interface OperatorOptions {
  readonly client: OrderNumbersClient;
  readonly history: History;
  /** An SQLite ledger, of which backups are made into this folder, each in place of the one before. */
  readonly backup?: { readonly ledger: string; readonly folder: string };
  /** Verifications may end before what was acknowledged, as on PostgreSQL until a server has noticed a failover. */
  readonly mayLag?: boolean;
  /** Between two rounds of commands. */
  readonly pauseMs?: number;
}

/** An operator who verifies, creates and changes stores, and backs up, over and over, while all else happens. */
export class Operator {
  readonly #options: OperatorOptions;
  readonly #atWork: Promise<void>;
  #stores = FIRST_STORE;
  #isStopping = false;

  constructor(options: OperatorOptions) {
    this.#options = options;
    this.#atWork = this.#work();
    this.#atWork.catch(() => {});
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#atWork;
  }

  async #work(): Promise<void> {
    const { history, pauseMs = PAUSE_MS } = this.#options;
    for (let round = 0; !this.#isStopping; round++) {
      await delay(pauseMs);
      const last = history.calls.findLast(({ answer }) => answer);
      if (!last) continue;
      await this.#readCounter(last.storeId);
      await this.#changeStores();
      await this.#verify();
      if (round % BACKUP_ONE_IN === 0) await this.#backUp();
    }
  }

  async #readCounter(storeId: bigint): Promise<void> {
    const { client, history } = this.#options;
    const startMs = performance.now();
    const store = await history.ask('stores get', () => client.getStore(storeId));
    if (store) history.reached(`the counter of store ${storeId}`, startMs, store.nextNumber - 1n, storeId);
  }

  async #changeStores(): Promise<void> {
    const { client, history } = this.#options;
    const storeId = ++this.#stores;
    const created = await history.ask('stores create', () => client.createStore({ storeId, prefix: 'A-' }));
    if (!created) return;
    const changed = await history.ask('stores update', () => client.updateStore(storeId, { suffix: '/26' }));
    const suffix = changed?.suffix ?? created.suffix;
    const found = await history.ask('stores get', () => client.getStore(storeId));
    // An update whose outcome is unknown may have happened.
    if (found && changed && (found.prefix !== 'A-' || found.suffix !== suffix)) {
      history.contradict(`store ${storeId} was made A-…${suffix}, and is ${found.prefix}…${found.suffix}`);
    }
  }

  async #verify(): Promise<void> {
    const { client, history, mayLag = false } = this.#options;
    const startMs = performance.now();
    await history.ask('verify', async () => {
      for await (const step of client.verifyLedger()) {
        if (step.kind === 'finding') history.contradict(`a verification found: ${step.message}`);
        if (step.kind === 'verdict' && !mayLag) history.reached('a verification', startMs, step.asOfOrderId);
      }
    });
  }

  async #backUp(): Promise<void> {
    const { history, backup } = this.#options;
    if (!backup) return;
    const startMs = performance.now();
    const target = join(backup.folder, 'backup.db');
    await history.ask('backup', async () => {
      const command = ['backup', '--ledger', backup.ledger, '--force', '--json', target];
      const { exitCode, stdout, stderr } = await orderNumbers(command);
      if (exitCode !== 0) throw new Error(stderr.trim());
      const { lastOrderId } = JSON.parse(stdout) as { readonly lastOrderId: string };
      history.reached('a backup', startMs, BigInt(lastOrderId));
    });
  }
}
