import { Allocator } from '../../../../src/core/allocator.ts';
import { Watch } from '../../../../src/core/reading/watch.ts';
import { DynamodbLedger } from '../../../../src/engines/dynamodb/dynamodb-ledger.ts';
import { TableAdmin } from '../../../../src/engines/dynamodb/table/table-admin.ts';
import { Table } from '../../../../src/engines/dynamodb/table/table.ts';
import type { SimulatedProcess } from '../../seeded/time/virtual-clock.ts';
import type { TableWorld } from '../table/simulated-client.ts';
import { SimulatedClient } from '../table/simulated-client.ts';

const DRAIN_MS = 20_000;

/** What a life tells. */
export interface LifeRecord {
  reached(branch: string): void;
  /** It can only be started again. */
  failed(life: ServerLife): void;
}

export interface LifeSettings {
  readonly maxBatch: number;
  readonly autoCreateStores: boolean;
  /** Whether it may create the ledger. */
  readonly mayCreate: boolean;
  readonly aheadMs: number;
}

/** One process that serves the table: the real engine behind the real allocator. */
export class ServerLife {
  readonly name: string;
  readonly process: SimulatedProcess;
  readonly ledger: DynamodbLedger;
  readonly allocator: Allocator;
  readonly watch: Watch;
  isStopping = false;
  /** Called when it is killed, for callers that wait for an answer. */
  readonly onKilled = new Set<() => void>();

  /** In a turn of its process. */
  constructor(name: string, process: SimulatedProcess, world: TableWorld, settings: LifeSettings, record: LifeRecord) {
    this.name = name;
    this.process = process;
    const client = new SimulatedClient(world, process);
    const place = {
      table: new Table(client, 'orders'),
      admin: new TableAdmin(client, 'orders'),
      name,
      expected: { create: settings.mayCreate, ledgerId: undefined },
    };
    this.ledger = new DynamodbLedger(place, settings.autoCreateStores, {
      opened: () => record.reached('opened'),
      waiting: (why) => record.reached(branchOf(why)),
      failed: () => record.failed(this),
      lost: () => {},
      warning: () => {},
      transaction: () => {},
    });
    this.allocator = new Allocator({
      ledger: this.ledger,
      maxBatch: settings.maxBatch,
      maxQueue: 1000,
      maxQueueShare: 1,
      requireRequestId: false,
    });
    this.watch = new Watch(this.ledger);
  }

  get isListening(): boolean {
    return !this.process.isDead && !this.isStopping;
  }

  /** As kill -9 does. */
  kill(): void {
    if (this.process.isDead) return;
    this.process.isDead = true;
    for (const tell of this.onKilled) tell();
  }

  /** As a signal to stop does, in a turn of its process. Resolves to whether everything was answered. */
  async stop(): Promise<boolean> {
    this.isStopping = true;
    const isDrained = await this.allocator.drain(DRAIN_MS);
    await this.ledger.close();
    this.kill();
    return isDrained;
  }
}

function branchOf(why: string): string {
  if (why.includes('did not confirm a write')) return 'nobody knows whether a put was done';
  if (why.includes('is an older copy')) return 'an older copy was refused';
  if (why.includes('is gone')) return 'a table that is gone was waited for';
  if (why.startsWith('closed the log')) return 'the log was given up';
  return 'the ledger could not be opened yet';
}
