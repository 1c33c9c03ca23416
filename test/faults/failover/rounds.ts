import { setImmediate as nextTurn } from 'node:timers/promises';
import { Random } from '../frame/random.ts';
import type { Tally } from '../frame/tally.ts';
import type { Verdict } from '../history/check-history.ts';
import { assertHistory } from '../history/check-history.ts';
import { History } from '../history/history.ts';
import { Load } from '../history/load.ts';
import { Reader, Watcher } from '../history/observers.ts';
import { Operator } from '../history/operators.ts';
import { FAULTS } from './faults.ts';
import type { FailoverLab } from './lab.ts';

const ANSWERS_BEFORE = 40;
const ANSWERS_AFTER = 50;
/** So often all calls end, and the history is compared with the ledger. */
const CHECKS = 20;
const MIN_ROUNDS_PER_CHECK = 8;
/** Reads and verifications read all of a ledger that grows. */
const READER_PAUSE_MS = 100;
const OPERATOR_PAUSE_MS = 1_000;

/** A lab with its load, observers and operator, for any number of rounds. */
export class Rounds {
  readonly #lab: FailoverLab;
  readonly #tally: Tally;
  readonly #random: Random;
  readonly #watchers: readonly Watcher[];
  readonly #reader: Reader;
  readonly #operator: Operator;
  readonly history = new History();
  #load: Load;
  #loads = 1;

  constructor(lab: FailoverLab, tally: Tally, seed: number) {
    this.#lab = lab;
    this.#tally = tally;
    this.#random = new Random(seed);
    this.#load = this.#newLoad();
    const { history } = this;
    this.#watchers = [new Watcher(lab.client(), history, 'w1'), new Watcher(lab.client(), history, 'w2', 3n)];
    this.#reader = new Reader(lab.client(), history, 'a reader', READER_PAUSE_MS, true);
    this.#operator = new Operator({ client: lab.client(), history, pauseMs: OPERATOR_PAUSE_MS, mayLag: true });
  }

  /** So many rounds: the faults take turns, in another order each time. */
  async run(rounds: number): Promise<Verdict> {
    const names = Object.keys(FAULTS);
    const perCheck = Math.max(MIN_ROUNDS_PER_CHECK, Math.ceil(rounds / CHECKS));
    let turn: string[] = [];
    for (let round = 1; round <= rounds; round++) {
      if (turn.length === 0) turn = shuffled(names, this.#random);
      await this.#round(turn.pop()!);
      if (round % perCheck === 0 && round < rounds) await this.#check(true);
      this.#tally.progress(round);
    }
    return this.#check(false);
  }

  /** Load, the fault, and load again. */
  async #round(name: string): Promise<void> {
    const fault = FAULTS[name]!;
    const first = this.history.calls.length;
    await this.#load.answers(ANSWERS_BEFORE);
    // So that the fault may hit any moment of a batch.
    for (let turns = this.#random.below(11); turns > 0; turns--) await nextTurn();
    const other = await fault.inject(this.#lab, this.#random, this.#load);
    this.#tally.inject(other ?? name);
    await Promise.all([this.#load.answers(ANSWERS_AFTER), fault.heal?.(this.#lab)]);
    if (!fault.isUnseen) return;
    const failed = this.history.calls.slice(first).filter(({ endMs, answer }) => endMs !== undefined && !answer);
    if (failed.length > 0) throw new Error(`${name}: ${failed.length} callers saw an error`);
  }

  /** While no call is in progress; `goesOn` if rounds follow. */
  async #check(goesOn: boolean): Promise<Verdict> {
    await this.#load.stop();
    if (!goesOn) await Promise.all([this.#reader.stop(), this.#operator.stop()]);
    const rows = await this.#lab.rows();
    const last = rows.at(-1);
    const end = last ? last.order_id + BigInt(last.count) - 1n : 0n;
    await Promise.all(this.#watchers.map((watcher) => watcher.reaches(end)));
    const verdict = assertHistory(this.history, rows);
    if (goesOn) {
      this.#load = this.#newLoad();
      return verdict;
    }
    await Promise.all(this.#watchers.map((watcher) => watcher.stop()));
    if (this.#reader.answers === 0) throw new Error('no read was answered');
    this.#tally.count(verdict);
    return verdict;
  }

  #newLoad(): Load {
    return new Load({
      history: this.history,
      addresses: [this.#lab.address],
      // Longer than any failover, so that only a fault is an error.
      client: { timeoutMs: 60_000 },
      name: `load-${this.#loads++}`,
      seed: this.#random.below(2 ** 31),
      combining: 1,
      single: 3,
      callers: 3,
    });
  }
}

function shuffled<T>(list: readonly T[], random: Random): T[] {
  const left = [...list];
  return Array.from(list, () => left.splice(random.below(left.length), 1)[0]!);
}
