import { MovingIn } from '../engines/postgres/operator/move-target.ts';
import { prepareDatabase } from '../engines/postgres/operator/prepare-database.ts';
import type { Place } from '../engines/sqlite/operator/move-source.ts';
import { MovingOut } from '../engines/sqlite/operator/move-source.ts';
import { LedgerRefused, messageOf } from '../core/errors.ts';
import { COPY_PAGE, firstDifference } from '../core/move/contents.ts';
import type { PostgresUrl } from '../engines/postgres/connection/postgres-url.ts';

/** Which of a move's long steps is at work. */
export type MoveStep = 'copying' | 'comparing' | 'verifying';

export interface Move {
  /** Path of the SQLite ledger. */
  readonly from: string;
  readonly to: PostgresUrl;
  readonly signal: AbortSignal;
  /** `done` of `all` order_ids. */
  readonly onProgress: (step: MoveStep, done: number, all: number) => void;
  readonly onWarning: (warning: string) => void;
}

/** A ledger that is in its new place. */
export interface MovedLedger {
  /** The real path of the old file, which is sealed. */
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
 * Moves a ledger from SQLite to PostgreSQL, so that at no moment both number: while the file's fence is held (P8) and no
 * server numbers in the database, everything is copied and compared; then the file is sealed, for ever; then the
 * database is opened for servers. Each step is durable before the next begins, so that the same call goes on wherever
 * an earlier one ended. Rejects with one sentence that says which of both serves now.
 */
export async function moveLedger(move: Move): Promise<MovedLedger> {
  const source = MovingOut.open(move.from);
  let target: MovingIn | undefined;
  try {
    for (const warning of source.warnings) move.onWarning(warning);
    const { session } = await prepareDatabase(move.to.hosts, move.signal);
    target = await MovingIn.open(session, move.to.name);
    const place = { name: target.name, identity: await target.identity() };
    source.requireNotElsewhere(place);
    const { ledgerId, rows, stores, lastOrderId } = source.summary();
    const state = await target.claim(ledgerId, source.isSealed);
    if (state === 'done' && !source.isSealed) throw outdated(source, target);
    if (state !== 'done') await carryOver(source, target, place, move);
    return { from: source.name, to: target.name, ledgerId, rows, stores, lastOrderId, wasDone: state === 'done' };
  } catch (error) {
    throw explain(error, source, move);
  } finally {
    await target?.close();
    source.close();
  }
}

async function carryOver(source: MovingOut, target: MovingIn, place: Place, move: Move): Promise<void> {
  const { ledgerId } = await source.counters();
  await target.endOtherSessions();
  // A sealed file was copied whole. Where the copy is less than that now, it may be an older one of a ledger that has
  // numbered since: it is only compared.
  if (!source.isSealed) {
    await copyAllocations(source, target, move);
    await target.takeCounters(source);
  }
  await requireSame(source, target, move);
  move.signal.throwIfAborted();
  if (!source.isSealed) source.seal(place);
  await target.activate(ledgerId);
}

/** Goes on above the last row that an earlier run has copied. Reads the next rows while the server writes the last. */
async function copyAllocations(source: MovingOut, target: MovingIn, move: Move): Promise<void> {
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
    // Awaited a page later.
    writing.catch(() => {});
    after = last.orderId;
  }
}

/** Throws LedgerRefused where the copy is not what the source is, or is no good ledger. */
async function requireSame(source: MovingOut, target: MovingIn, move: Move): Promise<void> {
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
    throw new LedgerRefused(`${source.name} and its copy are damaged: ${event.message}; see order-numbers verify`);
  }
  if (!isGood) throw new Error(`the verification of ${target.name} ended without a verdict`);
}

/** Tells how far a step is, in order_ids. */
async function progressOf(source: MovingOut, step: MoveStep, move: Move): Promise<(orderId: bigint) => void> {
  const { firstOrderId, lastOrderId } = await source.counters();
  const all = Math.max(1, Number(lastOrderId - firstOrderId + 1n));
  return (orderId) => move.onProgress(step, Math.min(all, Math.max(0, Number(orderId - firstOrderId + 1n))), all);
}

/** The file must not be served, sealed or not. */
class OutdatedFile extends LedgerRefused {}

function outdated(source: MovingOut, target: MovingIn): OutdatedFile {
  return new OutdatedFile(
    `${target.name} has this ledger already and numbers in it, and ${source.name} is not sealed: this is an older copy ` +
      'of the file, which must not be served',
  );
}

function notTheSame(difference: string, source: MovingOut, target: MovingIn): LedgerRefused {
  const remedy = source.isSealed
    ? `${target.name} is not what it was when the file was sealed: put the newest copy of that database back`
    : `drop the schema order_numbers of ${target.name} to begin anew`;
  return new LedgerRefused(`the copy is not the same: ${difference}; ${remedy}`);
}

/** What failed, and what serves now. */
function explain(error: unknown, source: MovingOut, { signal, to }: Move): unknown {
  if (error instanceof OutdatedFile) return error;
  const what = signal.aborted ? 'stopped' : messageOf(error);
  const goOn = error instanceof LedgerRefused && !signal.aborted ? '' : '; run the same command again to go on';
  if (!source.isSealed) {
    return new LedgerRefused(`${what}; nothing is moved yet: ${source.name} serves on as before${goOn}`, {
      cause: error,
    });
  }
  if (goOn === '') return error;
  return new LedgerRefused(
    `${what}; ${source.name} is sealed, and it is not known whether the move to ${to.name} was finished${goOn}`,
    { cause: error },
  );
}
