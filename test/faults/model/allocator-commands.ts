import * as fc from 'fast-check';
import { setImmediate as turn } from 'node:timers/promises';
import type { AllocationRequest } from '../../../src/core/allocation.ts';
import type { Outcome } from '../../../src/core/ledger.ts';
import type { CommitFault } from '../../support/engines/memory-ledger.ts';
import { MemoryLedger } from '../../support/engines/memory-ledger.ts';
import { keyOf } from '../seeded/run-judge.ts';
import { IndexedDisk } from '../simulator/engine/indexed-disk.ts';
import { ObservedAllocator } from '../simulator/server/observed-allocator.ts';
import { ServerJudge } from '../simulator/server/server-judge.ts';

const LIMITS = { maxBatch: 3, maxQueue: 5, maxQueueShare: 0.5, requireRequestId: false };

/** Hands answers to the wrong callers, for a control. */
export type Spoil = (outcomes: readonly Outcome[]) => readonly Outcome[];

/** What the commands need to know beside the allocator itself: how many calls were made. */
export interface CallCount {
  calls: number;
}

/** A ledger whose commits wait for the test, and whose batches a judge sees. */
class GatedLedger extends MemoryLedger {
  readonly #disk: IndexedDisk;
  readonly #spoil: Spoil;
  judge: ServerJudge | undefined;
  held = this.holdNext();
  isHolding = false;

  constructor(disk: IndexedDisk, spoil: Spoil) {
    super(disk);
    this.#disk = disk;
    this.#spoil = spoil;
  }

  override async commit(batch: readonly AllocationRequest[]): Promise<readonly Outcome[]> {
    this.judge!.forming(batch);
    this.isHolding = true;
    try {
      return this.#spoil(await super.commit(batch));
    } finally {
      for (const row of this.#disk.rows) this.#disk.byKey.set(keyOf(row), row);
    }
  }

  /** Lets the commit that waits go on. Returns false if none does. */
  finish(fault?: CommitFault): boolean {
    if (!this.isHolding) return false;
    if (fault) this.failNext(fault);
    this.isHolding = false;
    const { release } = this.held;
    this.held = this.holdNext();
    release();
    return true;
  }
}

/** An allocator, what its callers were told, and what was wrong with it. */
export class RealAllocator {
  readonly disk = new IndexedDisk();
  readonly violations: string[] = [];
  readonly injected: string[] = [];
  readonly signals: { aborted: boolean }[] = [];
  answered = 0;
  acknowledged = 0;
  readonly ledger: GatedLedger;
  readonly allocator: ObservedAllocator;

  constructor(spoil: Spoil = (outcomes) => outcomes) {
    this.ledger = new GatedLedger(this.disk, spoil);
    const judge = new ServerJudge({
      disk: this.disk,
      toldNew: new Set(),
      limits: LIMITS,
      isAlive: () => true,
      violated: (sentence) => void this.violations.push(sentence),
      reached: () => {},
    });
    this.ledger.judge = judge;
    this.allocator = new ObservedAllocator({ ...LIMITS, ledger: this.ledger }, judge);
  }

  call(key: number, count: number, origin: string): void {
    const signal = { aborted: false };
    this.signals.push(signal);
    const answer = this.allocator.allocate({ storeId: 7n, requestId: `k${key}`, count, caller: '', origin, signal });
    answer.then(
      () => {
        this.answered++;
        this.acknowledged++;
      },
      () => this.answered++,
    );
  }

  cancel(number: number): void {
    const signal = this.signals[number % this.signals.length];
    if (!signal || signal.aborted) return;
    signal.aborted = true;
    this.injected.push('cancelled call');
  }

  async finish(fault?: CommitFault): Promise<void> {
    if (this.ledger.finish(fault) && fault) this.injected.push(fault);
    await turn();
  }

  /** Lets everything end, and throws the first thing that was wrong. */
  async end(drains: boolean): Promise<void> {
    if (drains) {
      this.injected.push('drain cut short');
      await this.allocator.drain(1);
    }
    for (let i = 0; i < this.signals.length + 2; i++) await this.finish();
    if (this.answered !== this.signals.length) {
      this.violations.push(`${this.signals.length - this.answered} calls have no answer`);
    }
    let orderId = 1n;
    for (const row of this.disk.rows) {
      if (row.orderId !== orderId) this.violations.push(`P1: order_id ${orderId} is missing`);
      if (row.orderNumber !== orderId + 99n) this.violations.push(`P2: number ${orderId + 99n} is missing`);
      orderId += BigInt(row.count);
    }
    this.check();
  }

  check(): void {
    if (this.violations.length > 0) throw new Error(this.violations.join('; '));
  }
}

type Command = fc.AsyncCommand<CallCount, RealAllocator>;

/** A command that is always possible; afterwards nothing may be wrong. */
function command(text: string, run: (real: RealAllocator) => void | Promise<void>, isCall = false): Command {
  return {
    check: () => true,
    async run(model, real) {
      if (isCall) model.calls++;
      await run(real);
      real.check();
      if (real.signals.length !== model.calls) throw new Error('a call is missing');
    },
    toString: () => text,
  };
}

const FAULTS: readonly (CommitFault | undefined)[] = [
  undefined,
  undefined,
  'not persisted',
  'persisted after all',
  'ledger full',
];

/** Few keys, so that copies race, and a small queue, so that it is full. */
export const ALLOCATOR_COMMANDS: fc.Arbitrary<Iterable<Command>> = fc.commands(
  [
    fc
      .record({ key: fc.nat(9), count: fc.integer({ min: 1, max: 2 }), origin: fc.constantFrom('a', 'b', 'c') })
      .map(({ key, count, origin }) => {
        return command(`call k${key} × ${count} of ${origin}`, (real) => real.call(key, count, origin), true);
      }),
    fc.nat(30).map((number) => command(`cancel ${number}`, (real) => real.cancel(number))),
    fc.constantFrom(...FAULTS).map((fault) => command(`finish ${fault ?? ''}`, (real) => real.finish(fault))),
    fc.constant(command('turn', async () => void (await turn()))),
  ],
  { maxCommands: 60, size: 'max' },
);
