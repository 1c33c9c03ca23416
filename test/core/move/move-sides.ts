import type { Allocation } from '../../../src/core/allocation.ts';
import type { LedgerSource } from '../../../src/core/move/ledger-source.ts';
import type { LedgerTarget, MovedId, MovingState } from '../../../src/core/move/ledger-target.ts';
import { moveLedger } from '../../../src/core/move/move-ledger.ts';
import type { Place } from '../../../src/core/move/place.ts';
import type { Verdict, VerifyEvent } from '../../../src/core/verify/events.ts';
import { MemoryContents } from './memory-contents.ts';

/** Both sides of a move, and the steps taken on them, in order. */
export class Sides {
  readonly steps: string[] = [];
  readonly stop = new AbortController();
  readonly source = new Source(this.steps);
  readonly target = new Target(this.steps);
  readonly progress: string[] = [];
  readonly warnings: string[] = [];
  openTarget = async (): Promise<LedgerTarget> => this.target;

  move() {
    return moveLedger({
      openSource: async () => this.source,
      openTarget: () => this.openTarget(),
      targetName: this.target.name,
      signal: this.stop.signal,
      onProgress: (step, done, all) => this.progress.push(`${step} ${done} of ${all}`),
      onWarning: (warning) => this.warnings.push(warning),
    });
  }
}

class Source extends MemoryContents implements LedgerSource {
  warnings: readonly string[] = [];
  readonly #steps: string[];
  isSealed = false;
  /** Where it was asked to go, and where it was sealed for. */
  readonly places: Place[] = [];

  constructor(steps: string[]) {
    super('FILE');
    this.#steps = steps;
  }

  requireNotElsewhere(place: Place): void {
    this.places.push(place);
  }

  async hold(place: Place): Promise<void> {
    this.places.push(place);
    this.#steps.push('hold');
  }

  async release(): Promise<void> {
    this.#steps.push('release');
  }

  async counts() {
    return { rows: BigInt(this.allocations.length), stores: BigInt(this.stores.length) };
  }

  async seal(place: Place): Promise<void> {
    this.places.push(place);
    this.#steps.push('seal');
    this.isSealed = true;
  }

  async close(): Promise<void> {
    this.#steps.push('close FILE');
  }
}

class Target implements LedgerTarget {
  readonly name = 'COPY';
  readonly howToEmpty = 'empty COPY';
  readonly contents = new MemoryContents('COPY');
  readonly #steps: string[];
  state: MovingState = 'unfinished';
  claimed: readonly [ledgerId: string, isSealed: boolean] | undefined;

  constructor(steps: string[]) {
    this.#steps = steps;
    this.contents.allocations = [];
  }

  async identity() {
    return 'the copy';
  }

  async claim({ ledgerId }: MovedId, isSealed: boolean) {
    this.claimed = [ledgerId, isSealed];
    this.#steps.push('claim');
    return this.state;
  }

  async endOtherSessions() {
    this.#steps.push('end sessions');
  }

  async lastCopied() {
    return this.contents.allocations.at(-1)?.orderId ?? 0n;
  }

  async addAllocations(allocations: readonly Allocation[]) {
    this.#steps.push(`add ${allocations.length}`);
    this.contents.allocations.push(...allocations);
  }

  async takeCounters() {
    this.#steps.push('take counters');
  }

  async *verify(): AsyncGenerator<VerifyEvent> {
    this.#steps.push('verify');
    yield GOOD;
  }

  async activate() {
    this.#steps.push('activate');
  }

  async close() {
    this.#steps.push('close COPY');
  }
}

export const GOOD: Verdict = { kind: 'verdict', ok: true, rows: 1n, sequences: 1n, findings: 0n, asOfOrderId: 1n };
