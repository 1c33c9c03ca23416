import { setImmediate as turnOfTheEventLoop } from 'node:timers/promises';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { LedgerRefused } from '../../../src/core/errors.ts';
import type { VerifyEvent } from '../../../src/core/verify/events.ts';
import { GOOD, Sides } from './move-sides.ts';

const PLACE = { name: 'COPY', identity: 'the copy' };
const NOTHING_MOVED = 'nothing was moved, and FILE can still be served';
const GO_ON = 'run the same command again to continue';

/** Three rows of a ledger that began at order_id 11. */
function shortSides(): Sides {
  const sides = new Sides();
  const { source } = sides;
  source.allocations = source.allocations.slice(0, 3).map((row, i) => Object.assign(row, { orderId: BigInt(i + 11) }));
  const counters = { ledgerId: 'one', firstOrderId: 11n, lastOrderId: 13n, lastCreateTimeMs: 9n };
  source.counters = async () => counters;
  sides.target.contents.counters = async () => counters;
  return sides;
}

/** The same after a run that sealed the file and ended before it activated the copy. */
function sealedSides(): Sides {
  const sides = shortSides();
  sides.source.isSealed = true;
  sides.target.contents.allocations = [...sides.source.allocations];
  return sides;
}

async function* verifying(...events: VerifyEvent[]): AsyncGenerator<VerifyEvent> {
  yield* events;
}

async function failureOf(sides: Sides): Promise<Error> {
  const failure: unknown = await sides.move().catch((error: unknown) => error);
  if (!(failure instanceof Error)) throw new Error('the move went through');
  return failure;
}

describe('P8: a move', () => {
  it('tells what was moved where, how far it is, and what the operator should know', async () => {
    const sides = shortSides();
    sides.source.warnings = ['it is old'];
    sides.target.verify = () => verifying({ kind: 'progress', rowsRead: 1n, orderId: 12n, endOrderId: 13n }, GOOD);
    expect(await sides.move()).toEqual({
      from: 'FILE',
      to: 'COPY',
      ledgerId: 'one',
      rows: 3n,
      stores: 2n,
      lastOrderId: 13n,
      wasDone: false,
    });
    expect(sides.warnings).toEqual(['it is old']);
    expect(sides.progress).toEqual(['copying 0 of 3', 'copying 3 of 3', 'comparing 3 of 3', 'verifying 2 of 3']);
    expect(sides.target.claimed).toEqual(['one', false]);
    // It may go there, is held for there, and is then sealed for there.
    expect(sides.source.places).toEqual([PLACE, PLACE, PLACE]);
  });

  it('of an empty ledger has one step to go', async () => {
    const sides = shortSides();
    const counters = { ledgerId: 'one', firstOrderId: 11n, lastOrderId: 10n, lastCreateTimeMs: 9n };
    sides.source.counters = async () => counters;
    sides.target.contents.counters = async () => counters;
    sides.source.allocations = [];
    sides.target.verify = () => verifying({ kind: 'progress', rowsRead: 9n, orderId: 99n, endOrderId: 99n }, GOOD);
    expect(await sides.move()).toMatchObject({ rows: 0n, lastOrderId: 10n });
    expect(sides.progress).toEqual(['copying 0 of 1', 'verifying 1 of 1']);
  });

  it('that was sealed before copies and seals nothing again', async () => {
    const sides = sealedSides();
    expect(await sides.move()).toMatchObject({ wasDone: false });
    expect(sides.target.claimed).toEqual(['one', true]);
    expect(sides.steps).toEqual(['claim', 'end sessions', 'hold', 'verify', 'activate', 'close COPY', 'close FILE']);
  });

  it('to a place that the file was not sealed for begins with nothing', async () => {
    const sides = sealedSides();
    sides.source.requireNotElsewhere = () => {
      throw new LedgerRefused('FILE was moved elsewhere');
    };
    expect((await failureOf(sides)).message).toBe('FILE was moved elsewhere');
    expect(sides.steps).toEqual(['close COPY', 'close FILE']);
  });
});

describe('P8: a move that fails', () => {
  it.each<[string, VerifyEvent[], string]>([
    ['has no verdict', [], 'the verification of COPY ended without a verdict'],
    ['is not good', [{ ...GOOD, ok: false }], 'the verification of COPY ended without a verdict'],
    [
      'has a finding',
      [{ kind: 'finding', findingKind: 'hole', storeId: 7n, first: 1n, last: 1n, message: 'a hole' }, GOOD],
      'FILE and its copy are damaged: a hole; run order-numbers verify',
    ],
  ])('because the verification %s seals nothing', async (_, events, message) => {
    const sides = shortSides();
    sides.target.verify = () => verifying(...events);
    expect((await failureOf(sides)).message).toContain(`${message}; ${NOTHING_MOVED}`);
    expect(sides.steps.slice(-4)).toEqual(['take counters', 'release', 'close COPY', 'close FILE']);
  });

  it('can go on if it was an accident, and says so', async () => {
    const sides = shortSides();
    const cause = new Error('the network is gone');
    sides.target.endOtherSessions = async () => {
      throw cause;
    };
    const failure = await failureOf(sides);
    expect(failure).toBeInstanceOf(LedgerRefused);
    expect(failure.message).toBe(`the network is gone; ${NOTHING_MOVED}; ${GO_ON}`);
    expect(failure.cause).toBe(cause);
  });

  it('for a reason that stays does not say so', async () => {
    const sides = shortSides();
    sides.target.claim = async () => {
      throw new LedgerRefused('COPY has another ledger');
    };
    expect((await failureOf(sides)).message).toBe(`COPY has another ledger; ${NOTHING_MOVED}`);
  });

  it('after the file was sealed says that it may go on, or what was refused', async () => {
    const broken = sealedSides();
    const cause = new Error('the network is gone');
    broken.target.activate = async () => {
      throw cause;
    };
    const failure = await failureOf(broken);
    expect(failure.message).toBe(
      `the network is gone; FILE is sealed, and the move to COPY may not have finished; ${GO_ON}`,
    );
    expect([failure.cause, failure instanceof LedgerRefused]).toEqual([cause, true]);
    const refused = sealedSides();
    const refusal = new LedgerRefused('COPY has another ledger');
    refused.target.activate = async () => {
      throw refusal;
    };
    expect(await failureOf(refused)).toBe(refusal);
  });

  it('because the copy of a sealed file differs names the remedy', async () => {
    const sides = sealedSides();
    sides.target.contents.stores.pop();
    expect((await failureOf(sides)).message).toBe(
      'the copy differs: store 8 is in FILE but not in COPY; COPY has changed since FILE was sealed; put its newest copy ' +
        'back',
    );
  });

  it('while it writes the copy is reported, and ends', async () => {
    const sides = shortSides();
    sides.target.addAllocations = async () => {
      throw new Error('the disk is full');
    };
    expect((await failureOf(sides)).message).toBe(`the disk is full; ${NOTHING_MOVED}; ${GO_ON}`);
    expect(sides.steps).toEqual(['claim', 'end sessions', 'hold', 'release', 'close COPY', 'close FILE']);
  });

  it('while it writes the copy is not one more failure of the process, if it reads meanwhile', async () => {
    const sides = shortSides();
    const unhandled = vi.fn<() => void>();
    process.on('unhandledRejection', unhandled);
    onTestFinished(() => void process.off('unhandledRejection', unhandled));
    sides.target.addAllocations = async () => {
      throw new Error('the disk is full');
    };
    const { allocationsAfter } = sides.source;
    sides.source.allocationsAfter = async (...range) => {
      await turnOfTheEventLoop();
      return allocationsAfter.apply(sides.source, range);
    };
    expect((await failureOf(sides)).message).toContain('the disk is full');
    expect(unhandled).not.toHaveBeenCalled();
  });

  it('and cannot give the file back says that it cannot be served yet', async () => {
    const sides = shortSides();
    const cause = new Error('the network is gone');
    sides.target.endOtherSessions = async () => {
      throw cause;
    };
    sides.source.release = () => Promise.reject(new Error('FILE is locked'));
    const failure = await failureOf(sides);
    expect(failure).toBeInstanceOf(LedgerRefused);
    expect(failure.message).toBe(
      'the network is gone; FILE is locked; nothing was moved, but no server can number in FILE yet; run the same command ' +
        'again to continue, or with --give-up instead of --to',
    );
    expect(failure.cause).toBe(cause);
  });

  it('because its target cannot be opened closes the file', async () => {
    const sides = shortSides();
    sides.openTarget = () => Promise.reject(new LedgerRefused('COPY has a server'));
    expect((await failureOf(sides)).message).toBe(`COPY has a server; ${NOTHING_MOVED}`);
    expect(sides.steps).toEqual(['release', 'close FILE']);
  });

  it('before it has begun closes both', async () => {
    const sides = shortSides();
    sides.target.identity = async () => {
      throw new Error('not there');
    };
    await failureOf(sides);
    expect(sides.steps).toEqual(['release', 'close COPY', 'close FILE']);
  });
});

describe('P8: a move that is stopped', () => {
  it.each<[string, (sides: Sides, stop: () => void) => void, last: string]>([
    [
      'while it copies',
      ({ target }, stop) => {
        const { addAllocations } = target;
        target.addAllocations = async (rows) => {
          await addAllocations.call(target, rows);
          stop();
        };
      },
      'add 3',
    ],
    [
      'while it compares',
      ({ target: { contents } }, stop) => {
        const { allocationsAfter } = contents;
        contents.allocationsAfter = async (...range) => {
          stop();
          return allocationsAfter.apply(contents, range);
        };
      },
      'take counters',
    ],
    [
      'after it has compared everything',
      ({ target }, stop) => {
        target.verify = async function* () {
          yield GOOD;
          stop();
        };
      },
      'take counters',
    ],
    [
      'while it verifies',
      ({ target, steps }, stop) => {
        target.verify = async function* () {
          stop();
          yield GOOD;
          steps.push('read on');
        };
      },
      'take counters',
    ],
  ])('%s says so, seals nothing and can go on', async (_, stopIn, last) => {
    const sides = shortSides();
    stopIn(sides, () => sides.stop.abort());
    expect((await failureOf(sides)).message).toBe(`stopped; ${NOTHING_MOVED}; ${GO_ON}`);
    expect(sides.steps.slice(-4)).toEqual([last, 'release', 'close COPY', 'close FILE']);
  });

  it('by a refusal after the stop can go on as well', async () => {
    const sides = shortSides();
    sides.target.claim = async () => {
      sides.stop.abort();
      throw new LedgerRefused('COPY is locked');
    };
    expect((await failureOf(sides)).message).toBe(`stopped; ${NOTHING_MOVED}; ${GO_ON}`);
  });
});
