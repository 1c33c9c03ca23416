import { LedgerRefused, messageOf } from '../errors.ts';
import { COPY_PAGE, firstDifference } from './contents.ts';
import type { LedgerSource } from './ledger-source.ts';
import type { LedgerTarget } from './ledger-target.ts';
import type { Place } from './place.ts';

/** A move's long steps. */
export type MoveStep = 'copying' | 'comparing' | 'verifying';

export interface Move {
  readonly openSource: () => Promise<LedgerSource>;
  readonly openTarget: (signal: AbortSignal) => Promise<LedgerTarget>;
  /** Names the target before it is open, too; without secrets. */
  readonly targetName: string;
  readonly signal: AbortSignal;
  /** `done` of `all` order_ids. */
  readonly onProgress: (step: MoveStep, done: number, all: number) => void;
  readonly onWarning: (warning: string) => void;
}

/** A ledger that is in its new place. */
export interface MovedLedger {
  /** The old place, which is sealed: the real path of a file. */
  readonly from: string;
  /** The new place, without secrets. */
  readonly to: string;
  readonly ledgerId: string;
  readonly rows: bigint;
  readonly stores: bigint;
  readonly lastOrderId: bigint;
  /** Whether all of it had been done before. */
  readonly wasDone: boolean;
}

/**
 * Moves a ledger to another place, so that both never allocate at the same time. While nothing else writes the source
 * (P8) and no server allocates in the target, everything is copied and compared; then the source is sealed forever; then
 * the target is opened for servers. Each step is durable before the next begins, so that the same call continues an
 * interrupted one. Rejects with one sentence that says which of the two to serve now.
 */
export async function moveLedger(move: Move): Promise<MovedLedger> {
  const source = await move.openSource();
  let target: LedgerTarget | undefined;
  try {
    for (const warning of source.warnings) move.onWarning(warning);
    target = await move.openTarget(move.signal);
    const place = { name: target.name, identity: await target.identity() };
    source.requireNotElsewhere(place);
    const { ledgerId, firstOrderId } = await source.counters();
    const state = await target.claim({ ledgerId, firstOrderId }, source.isSealed);
    if (state === 'done' && !source.isSealed) throw outdated(source, target);
    if (state !== 'done') await carryOver(source, target, place, move);
    const { lastOrderId } = await source.counters();
    const { rows, stores } = await source.counts();
    return { from: source.name, to: target.name, ledgerId, rows, stores, lastOrderId, wasDone: state === 'done' };
  } catch (error) {
    throw await explain(error, source, move);
  } finally {
    await target?.close();
    await source.close();
  }
}

async function carryOver(source: LedgerSource, target: LedgerTarget, place: Place, move: Move): Promise<void> {
  const { ledgerId } = await source.counters();
  await target.endOtherSessions();
  await source.hold(place);
  // A sealed source was copied whole. If the copy has less by now, it may be an older one of a ledger that has numbered
  // since, so it is only compared.
  if (!source.isSealed) {
    await copyAllocations(source, target, move);
    await target.takeCounters(source);
  }
  await requireSame(source, target, move);
  move.signal.throwIfAborted();
  if (!source.isSealed) await source.seal(place);
  await target.activate(ledgerId);
}

/** Continues above the last row that an earlier run copied. Reads the next rows while the last ones are written. */
async function copyAllocations(source: LedgerSource, target: LedgerTarget, move: Move): Promise<void> {
  const report = await progressOf(source, 'copying', move);
  let after = await target.lastCopied();
  let writing = Promise.resolve();
  for (;;) {
    const allocations = await source.allocationsAfter(after, COPY_PAGE);
    await writing;
    move.signal.throwIfAborted();
    report(after);
    const last = allocations.at(-1);
    if (!last) return;
    writing = target.addAllocations(allocations);
    // Awaited one page later.
    writing.catch(() => {});
    after = last.orderId;
  }
}

/** Rejects with LedgerRefused if the copy differs from the source, or fails the verification. */
async function requireSame(source: LedgerSource, target: LedgerTarget, move: Move): Promise<void> {
  const reportCompared = await progressOf(source, 'comparing', move);
  const difference = await firstDifference(source, target.contents, (orderId) => {
    move.signal.throwIfAborted();
    reportCompared(orderId);
  });
  if (difference !== undefined) throw notTheSame(difference, source, target);
  const reportVerified = await progressOf(source, 'verifying', move);
  let isGood = false;
  for await (const event of target.verify()) {
    move.signal.throwIfAborted();
    if (event.kind === 'progress') reportVerified(event.orderId);
    if (event.kind === 'verdict') isGood = event.ok;
    if (!('message' in event)) continue;
    throw new LedgerRefused(`${source.name} and its copy are damaged: ${event.message}; run order-numbers verify`);
  }
  if (!isGood) throw new Error(`the verification of ${target.name} ended without a verdict`);
}

/** Tells how far a step is, in order_ids. */
async function progressOf(source: LedgerSource, step: MoveStep, move: Move): Promise<(orderId: bigint) => void> {
  const { firstOrderId, lastOrderId } = await source.counters();
  const all = Math.max(1, Number(lastOrderId - firstOrderId + 1n));
  return (orderId) => move.onProgress(step, Math.min(all, Math.max(0, Number(orderId - firstOrderId + 1n))), all);
}

/** The source must not be served, sealed or not. */
class OutdatedSource extends LedgerRefused {}

function outdated(source: LedgerSource, target: LedgerTarget): OutdatedSource {
  return new OutdatedSource(
    `${target.name} already serves this ledger, but ${source.name} is not sealed: it is an older copy and must not be ` +
      'served',
  );
}

function notTheSame(difference: string, source: LedgerSource, target: LedgerTarget): LedgerRefused {
  const remedy = source.isSealed
    ? `${target.name} has changed since ${source.name} was sealed; put its newest copy back`
    : `${target.howToEmpty} to start over`;
  return new LedgerRefused(`the copy differs: ${difference}; ${remedy}`);
}

/** What failed, and what serves now. */
async function explain(error: unknown, source: LedgerSource, { signal, targetName }: Move): Promise<unknown> {
  if (error instanceof OutdatedSource) return error;
  const what = signal.aborted ? 'stopped' : messageOf(error);
  const goOn = error instanceof LedgerRefused && !signal.aborted ? '' : '; run the same command again to continue';
  if (!source.isSealed) {
    const whyHeld = await source.release().then(() => undefined, messageOf);
    if (whyHeld !== undefined) return stillHeld(`${what}; ${whyHeld}`, source, error);
    return new LedgerRefused(`${what}; nothing was moved, and ${source.name} can still be served${goOn}`, {
      cause: error,
    });
  }
  if (goOn === '') return error;
  return new LedgerRefused(
    `${what}; ${source.name} is sealed, and the move to ${targetName} may not have finished${goOn}`,
    { cause: error },
  );
}

function stillHeld(what: string, { name }: LedgerSource, cause: unknown): LedgerRefused {
  const remedy = 'run the same command again to continue, or with --give-up instead of --to';
  return new LedgerRefused(`${what}; nothing was moved, but no server can number in ${name} yet; ${remedy}`, { cause });
}
