import { setImmediate as nextTurn } from 'node:timers/promises';
import type { OrderNumbersClient } from '../../../src/client/index.ts';
import { assertKept } from './assertions.ts';
import { Callers } from './callers.ts';
import type { FailoverLab } from './lab.ts';
import { Reader, Watcher } from './observers.ts';
import { History } from './history.ts';

const CALLERS = 12;
const ANSWERS_BEFORE = 40;
const ANSWERS_AFTER = 60;
/** Above this, each round has a store of its own. */
const OWN_STORES_ABOVE = 1000n;

/** What goes wrong in the middle of a round, under load. */
interface Fault {
  inject(lab: FailoverLab, round: number): Promise<unknown>;
  /** Restores, while the load goes on, what the next round needs. */
  heal?(lab: FailoverLab): Promise<unknown>;
}

/** The four kinds of faults. */
export const KINDS = {
  /** The primary dies, and its standby takes over. */
  'kill with promotion': { inject: (lab) => lab.failOver(), heal: (lab) => lab.makeStandby() },
  /** A server's connection is lost after COMMIT was sent, and before its answer. */
  'cut after COMMIT': { inject: (lab) => lab.cutNextAnswer() },
  /** A server dies, and another one starts. */
  'server kill': {
    inject: (lab, round) => lab.killServer(lab.servers[round % lab.servers.length]!),
    heal: (lab) => lab.startServer(),
  },
  /** The primary dies and starts again. */
  'restart without failover': { inject: (lab) => lab.restartPrimary() },
} as const satisfies Record<string, Fault>;

export type Kind = keyof typeof KINDS;

/** How callers and readers fared in all rounds of a kind. */
export interface Tally {
  rounds: number;
  calls: number;
  acknowledged: number;
  errors: number;
  slowestMs: number;
  /** Reads that were answered. */
  reads: number;
}

/** A lab with its callers, reader and watchers, for any number of rounds. */
export class Rounds {
  readonly #lab: FailoverLab;
  readonly history = new History();
  readonly #clients: readonly OrderNumbersClient[];
  readonly #watchers: readonly Watcher[];
  readonly #reader: Reader;
  #round = 0;
  readonly tallies = new Map<Kind, Tally>();

  constructor(lab: FailoverLab) {
    this.#lab = lab;
    this.#clients = Array.from({ length: CALLERS }, () => lab.client());
    this.#watchers = [new Watcher(lab.client(), this.history), new Watcher(lab.client(), this.history)];
    this.#reader = new Reader(lab.client(), this.history);
  }

  /** Load, the fault, and load again; then the history is compared with the ledger. */
  async run(kind: Kind): Promise<void> {
    const round = ++this.#round;
    const ownStoreId = OWN_STORES_ABOVE + BigInt(round);
    const before = {
      calls: this.history.calls,
      acknowledged: this.history.answered.length,
      reads: this.#reader.answers,
    };
    const callers = new Callers(this.#clients, this.history, `round-${round}`, ownStoreId);
    this.#reader.storeId = ownStoreId;
    await callers.moreAnswers(ANSWERS_BEFORE);
    // So that the fault may hit any moment of a batch.
    for (let turn = 0; turn < round % 11; turn++) await nextTurn();
    const fault: Fault = KINDS[kind];
    await fault.inject(this.#lab, round);
    await Promise.all([callers.moreAnswers(ANSWERS_AFTER), fault.heal?.(this.#lab)]);
    await callers.stop();
    await this.assertKept();

    const tally = this.tallies.get(kind) ?? { rounds: 0, calls: 0, acknowledged: 0, errors: 0, slowestMs: 0, reads: 0 };
    this.tallies.set(kind, {
      rounds: tally.rounds + 1,
      calls: tally.calls + this.history.calls - before.calls,
      acknowledged: tally.acknowledged + this.history.answered.length - before.acknowledged,
      errors: tally.errors + callers.errors,
      slowestMs: Math.max(tally.slowestMs, callers.slowestMs),
      reads: tally.reads + this.#reader.answers - before.reads,
    });
  }

  /** Only while no call is in progress. */
  async assertKept(): Promise<void> {
    const rows = await this.#lab.rows();
    const last = rows.at(-1);
    const end = last ? last.order_id + BigInt(last.count) - 1n : 0n;
    await Promise.all(this.#watchers.map((watcher) => watcher.reaches(end)));
    assertKept(this.history, rows);
  }

  async stop(): Promise<void> {
    await Promise.all([this.#reader.stop(), ...this.#watchers.map((watcher) => watcher.stop())]);
  }
}
