import type { AllocationRequest } from '../../../../src/core/allocation.ts';
import type { IndexedDisk } from '../engine/indexed-disk.ts';
import { keyOf } from '../../seeded/run-judge.ts';
import type { Disturbance, WriteCourse, WriteFault, WritePoint } from '../engine/simulated-ledger.ts';
import { SimulatedLedger } from '../engine/simulated-ledger.ts';
import { ServerLife } from '../server/server-life.ts';
import type { VirtualClock } from '../../seeded/time/virtual-clock.ts';
import type { Plan, PlannedEvent, PlannedLife } from './plan.ts';
import { Random } from '../../seeded/random.ts';
import type { RunRecord } from '../../seeded/run-record.ts';

/** Faults that only a new life ends: the last one has none. */
const FINAL: ReadonlySet<WriteFault> = new Set(['never answers', 'cannot reopen']);
/** How long the last server may drain. */
const LAST_DRAIN_MS = 30_000;

/** The lives of the server of a run, one after the other on one disk. */
export class Servers implements Disturbance {
  lives = 0;
  /** The keys of requests that the network has duplicated. */
  readonly duplicated = new Set<string>();
  readonly #plan: Plan;
  readonly #disk: IndexedDisk;
  readonly #record: RunRecord;
  readonly #clock: VirtualClock;
  readonly #random: Random;
  readonly #toldNew = new Set<string>();
  #life: ServerLife | undefined;
  #planned: PlannedLife;
  #points = new Map<WritePoint, number>();
  #replies = 0;
  #turns = 0;
  readonly #faults: { readonly fault: WriteFault; readonly reopenMs: number }[] = [];
  readonly #slow: number[] = [];

  constructor(plan: Plan, disk: IndexedDisk, record: RunRecord, clock: VirtualClock) {
    this.#plan = plan;
    this.#disk = disk;
    this.#record = record;
    this.#clock = clock;
    this.#random = new Random(plan.messageSeed ^ 0xd15c);
    [this.#planned] = plan.lives as [PlannedLife];
    clock.afterTurn = () => this.#turned();
  }

  /** The server that takes connections, if one does. */
  get listening(): ServerLife | undefined {
    return this.#life?.isListening ? this.#life : undefined;
  }

  begin(): void {
    this.#clock.after(this.#planned.startMs, () => this.#start());
  }

  drainLast(): { isOver: boolean; isClean: boolean } {
    const drained = { isOver: false, isClean: false };
    const wait = () => {
      if (!this.#isLast || !this.#life?.isListening) return void this.#clock.after(100, wait);
      void this.#life.drain(LAST_DRAIN_MS).then((isClean) => Object.assign(drained, { isOver: true, isClean }));
    };
    wait();
    return drained;
  }

  disturb(event: PlannedEvent): void {
    if (event.what === 'write fault') this.#faults.push(event);
    if (event.what === 'slow write') this.#slow.push(event.ms);
    if (event.what === 'clock jump') {
      this.#clock.jump(event.ms);
      this.#record.injected(event.ms > 0 ? 'clock jumps ahead' : 'clock jumps back');
    }
    if (event.what === 'connection reset' && this.#life?.isAlive && this.#life.resetOne(event.client)) {
      this.#record.injected('connection reset');
    }
  }

  course(write: 'batch' | 'store'): WriteCourse {
    const random = this.#random;
    const slowMs = this.#slow.shift();
    if (slowMs !== undefined) this.#record.injected('slow write');
    const quickMs = random.pick([0, 0.25, 0.5, 1, 3]);
    const next = this.#faults[0];
    const failed = next && !(this.#isLast && FINAL.has(next.fault)) ? this.#faults.shift() : undefined;
    if (failed) this.#record.injected(`${write}: ${failed.fault}`);
    return {
      writeMs: slowMs ?? quickMs,
      fault: failed?.fault,
      answerMs: random.pick([0, 0, 0.25, 1]),
      reopenMs: failed?.reopenMs ?? 0,
    };
  }

  reached(point: WritePoint): void {
    const times = (this.#points.get(point) ?? 0) + 1;
    this.#points.set(point, times);
    const { ending } = this.#planned;
    if (ending.how === 'kill at a write' && ending.point === point && ending.number === times) {
      this.#kill(`kill: ${point}`);
    }
  }

  forming(batch: readonly AllocationRequest[]): void {
    this.#record.note('batch', batch.map(keyOf).join(', '));
    this.#life!.judge.forming(batch);
  }

  get #isLast(): boolean {
    return this.lives >= this.#plan.lives.length;
  }

  #start(): void {
    this.#planned = this.#plan.lives[this.lives]!;
    this.lives++;
    this.#points = new Map();
    this.#replies = 0;
    this.#turns = 0;
    const { settings, autoCreateStores, startMs, endMs } = this.#planned;
    const ledger = new SimulatedLedger(this.#disk, autoCreateStores, this);
    const { reached, injected, violated } = this.#record;
    const life = new ServerLife(`life-${this.lives}`, ledger, settings, {
      disk: this.#disk,
      toldNew: this.#toldNew,
      violated,
      reached,
      injected,
      duplicated: (key) => void this.duplicated.add(key),
      replied: () => this.#replied(),
    });
    this.#life = life;
    this.#record.note('server starts', `${life.name}, ${this.#disk.rows.length} rows`);
    if (this.#isLast) return;
    this.#clock.after(endMs - startMs, () => void (life.isListening && this.#end()));
  }

  /** The time of the life is over. */
  #end(): void {
    const { ending } = this.#planned;
    const life = this.#life!;
    if (ending.how !== 'drain') return this.#kill('kill: at a time');
    this.#record.note('drain', `${life.name}, ${life.queueLength} waiting`);
    void life.drain(ending.limitMs).then((isDrained) => {
      this.#record.injected(isDrained ? 'drain' : 'drain cut short');
      this.#startNext();
    });
  }

  #kill(how: string): void {
    const life = this.#life;
    if (!life?.isListening || this.#isLast) return;
    this.#record.injected(how);
    life.kill();
    this.#startNext();
  }

  #startNext(): void {
    const next = this.#plan.lives[this.lives]!;
    this.#clock.after(Math.max(0, next.startMs - this.#planned.endMs), () => this.#start());
  }

  #replied(): void {
    const { ending } = this.#planned;
    if (ending.how === 'kill at an answer' && ++this.#replies === ending.number) this.#kill('kill: at an answer');
  }

  #turned(): void {
    const { ending } = this.#planned;
    if (ending.how !== 'kill at an await' || ++this.#turns !== ending.turns) return;
    let after = Promise.resolve();
    for (let i = 0; i < ending.microtasks; i++) after = after.then(() => {});
    void after.then(() => this.#kill('kill: at an await'));
  }
}
