import { setImmediate as nextTurn } from 'node:timers/promises';
import type { OrderNumbersClient } from '../../src/client/index.ts';
import { assertKept } from './assertions.ts';
import { Callers } from './callers.ts';
import type { FailoverLab } from './lab.ts';
import { Reader, Watcher } from './observers.ts';
import { Told } from './history.ts';

const CALLERS = 12;
const ANSWERS_BEFORE = 40;
const ANSWERS_AFTER = 60;
/** Of the stores that belong to one round each. */
const OWN_STORES_ABOVE = 1000n;

/** What happens in the middle of a round, under load. */
interface Blow {
  strike(lab: FailoverLab, round: number): Promise<unknown>;
  /** What is put right while the load goes on, so that the next round can begin. */
  mend?(lab: FailoverLab): Promise<unknown>;
}

/** The four kinds of rounds. */
export const KINDS = {
  /** The primary dies, and its standby takes over. */
  'kill with promotion': { strike: (lab) => lab.failOver(), mend: (lab) => lab.makeStandby() },
  /** A server's connection is lost after COMMIT was sent, and before its answer. */
  'cut after COMMIT': { strike: (lab) => lab.cutNextAnswer() },
  /** A server dies, and another one starts. */
  'server kill': {
    strike: (lab, round) => lab.killServer(lab.servers[round % lab.servers.length]!),
    mend: (lab) => lab.startServer(),
  },
  /** The primary dies and starts again. */
  'restart without failover': { strike: (lab) => lab.restartPrimary() },
} as const satisfies Record<string, Blow>;

export type Kind = keyof typeof KINDS;

/** What callers felt in all rounds of a kind. */
export interface Tally {
  rounds: number;
  calls: number;
  acknowledged: number;
  errors: number;
  slowestMs: number;
  /** Answers to a reader. */
  reads: number;
}

/** A lab with its callers, readers and watchers, for as many rounds as it takes. */
export class Rounds {
  readonly #lab: FailoverLab;
  readonly told = new Told();
  readonly #clients: readonly OrderNumbersClient[];
  readonly #watchers: readonly Watcher[];
  readonly #reader: Reader;
  #round = 0;
  readonly tallies = new Map<Kind, Tally>();

  constructor(lab: FailoverLab) {
    this.#lab = lab;
    this.#clients = Array.from({ length: CALLERS }, () => lab.client());
    this.#watchers = [new Watcher(lab.client(), this.told), new Watcher(lab.client(), this.told)];
    this.#reader = new Reader(lab.client(), this.told);
  }

  /** Load, the blow in its middle, and load again; then everything is held against the ledger. */
  async run(kind: Kind): Promise<void> {
    const round = ++this.#round;
    const ownStoreId = OWN_STORES_ABOVE + BigInt(round);
    const before = { calls: this.told.calls, acknowledged: this.told.answered.length, reads: this.#reader.answers };
    const callers = new Callers(this.#clients, this.told, `round-${round}`, ownStoreId);
    this.#reader.storeId = ownStoreId;
    await callers.moreAnswers(ANSWERS_BEFORE);
    // So that the blow falls at any moment of a batch.
    for (let turn = 0; turn < round % 11; turn++) await nextTurn();
    const blow: Blow = KINDS[kind];
    await blow.strike(this.#lab, round);
    await Promise.all([callers.moreAnswers(ANSWERS_AFTER), blow.mend?.(this.#lab)]);
    await callers.stop();
    await this.assertKept();

    const tally = this.tallies.get(kind) ?? { rounds: 0, calls: 0, acknowledged: 0, errors: 0, slowestMs: 0, reads: 0 };
    this.tallies.set(kind, {
      rounds: tally.rounds + 1,
      calls: tally.calls + this.told.calls - before.calls,
      acknowledged: tally.acknowledged + this.told.answered.length - before.acknowledged,
      errors: tally.errors + callers.errors,
      slowestMs: Math.max(tally.slowestMs, callers.slowestMs),
      reads: tally.reads + this.#reader.answers - before.reads,
    });
  }

  /** While nobody calls. */
  async assertKept(): Promise<void> {
    const rows = await this.#lab.rows();
    const last = rows.at(-1);
    const end = last ? last.order_id + BigInt(last.count) - 1n : 0n;
    await Promise.all(this.#watchers.map((watcher) => watcher.reaches(end)));
    assertKept(this.told, rows);
  }

  async stop(): Promise<void> {
    await Promise.all([this.#reader.stop(), ...this.#watchers.map((watcher) => watcher.stop())]);
  }
}
