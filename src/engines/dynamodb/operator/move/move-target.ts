import type { Allocation } from '../../../../core/allocation.ts';
import { LedgerRefused } from '../../../../core/errors.ts';
import { ANY_LEDGER } from '../../../../core/expected-ledger.ts';
import type { DeclaredLoss, LedgerContents } from '../../../../core/move/contents.ts';
import { COPY_PAGE } from '../../../../core/move/contents.ts';
import type { LedgerTarget, MovedId, MovingState } from '../../../../core/move/ledger-target.ts';
import type { Store } from '../../../../core/store.ts';
import type { VerifyEvent } from '../../../../core/verify/events.ts';
import { verifyLedger } from '../../../../core/verify/verify-ledger.ts';
import type { LogChange } from '../../log/log-entry.ts';
import { genesisItem } from '../../log/entry-item.ts';
import { LedgerView } from '../../log/ledger-view.ts';
import { requireNotMoved } from '../../log/served.ts';
import { readFirst, readView } from '../../log/opening.ts';
import { DynamodbVerifySource } from '../../verify/verify-source.ts';
import type { WrittenStore } from './moved-entries.ts';
import { entriesOf, lossEntriesOf, moving, storeEntriesOf } from './moved-entries.ts';
import { LogContents } from './log-contents.ts';
import { MovingLog } from './moving-log.ts';
import type { OperatorTable } from './operator-table.ts';
import { explained, openTable } from './operator-table.ts';

/** The table at this URL, as the place that a ledger moves to. Creates nothing yet. */
export async function openMoveTarget(location: string, signal: AbortSignal): Promise<LedgerTarget> {
  return new MoveTarget(openTable(location), signal);
}

/**
 * The log that another ledger moves into. Its genesis says so, and so does every entry up to the last one of the move,
 * so that servers refuse it. The move is the only writer: it fails if another process puts an entry.
 */
export class MoveTarget implements LedgerTarget {
  readonly name: string;
  readonly howToEmpty: string;
  readonly #place: OperatorTable;
  readonly #signal: AbortSignal;
  #log: MovingLog | undefined;
  #contents: LogContents | undefined;

  constructor(place: OperatorTable, signal: AbortSignal) {
    this.#place = place;
    this.#signal = signal;
    this.name = place.name;
    this.howToEmpty = `delete the table ${place.table.name}`;
  }

  identity(): Promise<string> {
    return this.#explained(this.#place.identity);
  }

  claim({ ledgerId, firstOrderId }: MovedId, isSealed: boolean): Promise<MovingState> {
    return this.#explained(async () => {
      const { table, name } = this.#place;
      const genesis = { ledgerId, firstOrderId, isMoving: true };
      if (!(await readFirst({ ...this.#place, expected: ANY_LEDGER }, isSealed, this.#signal))) {
        if (isSealed)
          throw new LedgerRefused(
            `${name} is empty instead of having the ledger that was moved to it; put that one back`,
          );
        const empty = new MovingLog(table, new LedgerView(genesis, undefined), name, this.#signal);
        // The one that was first is checked below.
        await empty.put(genesisItem(genesis), ledgerId);
      }
      const view = await readView(table, name);
      requireMovable(view, name, ledgerId, isSealed);
      this.#log = new MovingLog(table, view, name, this.#signal);
      this.#contents = new LogContents(name, table, view);
      if (!view.isMoving) return 'done';
      await this.#log.index();
      return 'unfinished';
    });
  }

  /** There are none: a server opens no ledger that is being moved, and before the claim there was no ledger. */
  async endOtherSessions(): Promise<void> {}

  get contents(): LedgerContents {
    return this.#claimed.contents;
  }

  async lastCopied(): Promise<bigint> {
    return this.#claimed.log.view.lastOrderId;
  }

  addAllocations(allocations: readonly Allocation[]): Promise<void> {
    return this.#explained(async () => {
      const { log, contents } = this.#claimed;
      const stores = new Map<bigint, Store>();
      const ids = [...new Set(allocations.map(({ storeId }) => storeId))];
      for (const id of ids) {
        const known = log.view.store(id);
        if (known) stores.set(id, known);
      }
      // An empty log has none.
      const others = log.view.head.position === 0 ? [] : ids.filter((id) => !stores.has(id));
      for (const store of await contents.stores(others)) stores.set(store.storeId, store);
      await this.#append(entriesOf(allocations, stores));
    });
  }

  takeCounters(from: LedgerContents): Promise<void> {
    return this.#explained(async () => {
      const { view } = this.#claimed.log;
      for (let after = 0n; ;) {
        const page = await from.storesAfter(after, COPY_PAGE);
        const last = page.at(-1);
        if (!last) break;
        await this.#append(storeEntriesOf(await this.#changed(page), this.#unchanged));
        after = last.storeId;
      }
      const missing = without(await from.declaredLosses(), await this.#claimed.contents.declaredLosses());
      await this.#append(lossEntriesOf(missing, this.#unchanged));
      const { lastOrderId, lastCreateTimeMs } = await from.counters();
      const createTimeMs = Number(lastCreateTimeMs);
      if (view.lastOrderId === lastOrderId && view.lastCreateTimeMs === createTimeMs) return;
      await this.#append([moving({ lastOrderId, createTimeMs })]);
    });
  }

  async *verify(): AsyncGenerator<VerifyEvent> {
    const { table, name } = this.#place;
    // What the table says now, and not what this process knows.
    yield* verifyLedger(new DynamodbVerifySource(table, await readView(table, name)), undefined);
  }

  activate(): Promise<void> {
    return this.#explained(() => this.#append([{ ...moving(this.#unchanged), isMoving: false }]));
  }

  async close(): Promise<void> {
    this.#place.close();
  }

  get #claimed(): { readonly log: MovingLog; readonly contents: LogContents } {
    if (!this.#log || !this.#contents) throw new Error('the table was not claimed');
    return { log: this.#log, contents: this.#contents };
  }

  get #unchanged() {
    const { lastOrderId, lastCreateTimeMs } = this.#claimed.log.view;
    return { lastOrderId, createTimeMs: lastCreateTimeMs };
  }

  /** The derived items follow at once, so that nothing is missing except after a kill. */
  async #append(changes: Iterable<LogChange>): Promise<void> {
    const { log } = this.#claimed;
    for (const change of changes) await log.append(change);
    await log.index();
  }

  /** Those of these stores that the log does not have like this. */
  async #changed(stores: readonly Store[]): Promise<readonly WrittenStore[]> {
    const here = new Map<bigint, Store>();
    const found = await this.#claimed.contents.stores(stores.map(({ storeId }) => storeId));
    for (const store of found) here.set(store.storeId, store);
    return stores
      .filter((store) => !isSame(store, here.get(store.storeId)))
      .map((store) => ({ store, isNew: !here.has(store.storeId) }));
  }

  #explained<Result>(work: () => Promise<Result>): Promise<Result> {
    return explained(this.name, work);
  }
}

/** Throws LedgerRefused unless the log is this ledger's, and a move into it may go on or is done. */
function requireMovable(view: LedgerView, name: string, ledgerId: string, isSealed: boolean): void {
  const { genesis, isMoving, lastOrderId } = view;
  if (genesis.ledgerId === ledgerId) {
    requireNotMoved(name, view);
    return;
  }
  if (isSealed) {
    throw new LedgerRefused(
      `${name} has ledger ${genesis.ledgerId} instead of the one that was moved to it; put that one back`,
    );
  }
  if (isMoving) {
    throw new LedgerRefused(
      `${name} has the unfinished copy of another ledger, ${genesis.ledgerId}; finish that, or use another table`,
    );
  }
  throw new LedgerRefused(
    `${name} already has a ledger of its own (${genesis.ledgerId}, last order_id ${lastOrderId}); a ledger moves only into ` +
      'a table that has none, so use another table',
  );
}

/** Each of these losses that the others do not have; one that occurs twice is a loss of its own. */
function without(losses: readonly DeclaredLoss[], others: readonly DeclaredLoss[]): readonly DeclaredLoss[] {
  const here = new Map<string, number>();
  for (const loss of others) here.set(keyOf(loss), (here.get(keyOf(loss)) ?? 0) + 1);
  return losses.filter((loss) => {
    const left = here.get(keyOf(loss)) ?? 0;
    here.set(keyOf(loss), left - 1);
    return left <= 0;
  });
}

function keyOf({ storeId, first, last, declareTimeMs }: DeclaredLoss): string {
  return `${storeId} ${first} ${last} ${declareTimeMs}`;
}

function isSame(store: Store, other: Store | undefined): boolean {
  return other !== undefined && (Object.keys(store) as (keyof Store)[]).every((key) => store[key] === other[key]);
}
