import { expect, it } from 'vitest';
import type { Allocation } from '../../../src/core/allocation.ts';
import type { LedgerSource } from '../../../src/core/move/ledger-source.ts';
import type { LedgerTarget, MovingState } from '../../../src/core/move/ledger-target.ts';
import { moveLedger } from '../../../src/core/move/move-ledger.ts';
import type { VerifyEvent } from '../../../src/core/verify/events.ts';
import { MemoryContents, ROWS } from './memory-contents.ts';

/** Both sides of a move, and the steps taken on them, in order. */
class Sides {
  readonly steps: string[] = [];
  readonly stop = new AbortController();
  readonly source = new Source(this.steps);
  readonly target = new Target(this.steps);

  move() {
    return moveLedger({
      openSource: () => this.source,
      openTarget: async () => this.target,
      targetName: this.target.name,
      signal: this.stop.signal,
      onProgress: () => {},
      onWarning: () => {},
    });
  }
}

class Source extends MemoryContents implements LedgerSource {
  readonly warnings = [];
  readonly #steps: string[];
  isSealed = false;

  constructor(steps: string[]) {
    super('FILE');
    this.#steps = steps;
  }

  requireNotElsewhere(): void {}

  async counts() {
    return { rows: BigInt(this.allocations.length), stores: BigInt(this.stores.length) };
  }

  async seal(): Promise<void> {
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

  constructor(steps: string[]) {
    this.#steps = steps;
    this.contents.allocations = [];
  }

  async identity() {
    return 'the copy';
  }

  async claim() {
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

const GOOD: VerifyEvent = { kind: 'verdict', ok: true, rows: 1n, sequences: 1n, findings: 0n, asOfOrderId: 1n };
const CLOSED = ['close COPY', 'close FILE'];

it('P8: the source is sealed once its copy is complete and verified, and only then does the target number', async () => {
  const sides = new Sides();
  expect(await sides.move()).toMatchObject({ from: 'FILE', to: 'COPY', rows: BigInt(ROWS), wasDone: false });
  const copied = ['add 5000', 'add 5000', 'add 2500', 'take counters'];
  expect(sides.steps).toEqual(['claim', 'end sessions', ...copied, 'verify', 'seal', 'activate', ...CLOSED]);
});

it('a copy begun by an earlier run is continued', async () => {
  const sides = new Sides();
  sides.target.contents.allocations = sides.source.allocations.slice(0, ROWS - 7);
  await sides.move();
  expect(sides.steps.filter((step) => step.startsWith('add'))).toEqual(['add 7']);
});

it('P8: a copy that differs keeps the source from being sealed', async () => {
  const sides = new Sides();
  sides.target.contents.stores.pop();
  await expect(sides.move()).rejects.toThrow(
    'the copy differs: store 8 is in FILE but not in COPY; empty COPY to start over; nothing was moved, and FILE can ' +
      'still be served',
  );
  expect(sides.steps.slice(-3)).toEqual(['take counters', ...CLOSED]);
});

it('P8: a move stopped during verification seals nothing', async () => {
  const sides = new Sides();
  sides.target.verify = async function* () {
    yield GOOD;
    sides.stop.abort();
  };
  await expect(sides.move()).rejects.toThrow('stopped; nothing was moved, and FILE can still be served');
  expect(sides.steps.slice(-3)).toEqual(['take counters', ...CLOSED]);
});

it('P8: an unconfirmed seal activates nothing, and no target is reported as serving', async () => {
  const sides = new Sides();
  sides.source.seal = async () => {
    sides.source.isSealed = true;
    throw new Error('the disk is gone');
  };
  await expect(sides.move()).rejects.toThrow(
    'the disk is gone; FILE is sealed, and the move to COPY may not have finished; run the same command again to continue',
  );
  expect(sides.steps).not.toContain('activate');
});

it('P9: a target that has less than its sealed source is never filled up from it', async () => {
  const sides = new Sides();
  sides.source.isSealed = true;
  sides.target.contents.allocations = sides.source.allocations.slice(1);
  await expect(sides.move()).rejects.toThrow('restore the newest copy of that database');
  expect(sides.steps).toEqual(['claim', 'end sessions', ...CLOSED]);
});

it('P8: an unsealed source with a finished target is an older copy, and nothing is done', async () => {
  const sides = new Sides();
  sides.target.state = 'done';
  await expect(sides.move()).rejects.toThrow(/it is an older copy of the file and must not be served$/);
  expect(sides.steps).toEqual(['claim', ...CLOSED]);
});

it('a move finished by an earlier run does nothing', async () => {
  const sides = new Sides();
  sides.source.isSealed = true;
  sides.target.state = 'done';
  expect(await sides.move()).toMatchObject({ wasDone: true });
  expect(sides.steps).toEqual(['claim', ...CLOSED]);
});
