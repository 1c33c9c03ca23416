import type { Allocation } from '../../../../core/allocation.ts';
import { LedgerRefused } from '../../../../core/errors.ts';
import type { DeclaredLoss, LedgerCounters } from '../../../../core/move/contents.ts';
import type { LedgerCounts, LedgerSource } from '../../../../core/move/ledger-source.ts';
import type { Place } from '../../../../core/move/place.ts';
import { isSamePlace, placeOf, placeText } from '../../../../core/move/place.ts';
import type { Store } from '../../../../core/store.ts';
import type { LogChange } from '../../log/log-entry.ts';
import { readEntries } from '../../log/log-reader.ts';
import { leaving, requireNotMoved } from '../../log/served.ts';
import { readView } from '../../log/opening.ts';
import { LogContents } from './log-contents.ts';
import { moving } from './moved-entries.ts';
import { MovingLog } from './moving-log.ts';
import type { OperatorTable } from './operator-table.ts';
import { explained, openTable } from './operator-table.ts';

/** Log entries that are counted at once. */
const ENTRIES_PER_READ = 64;
/** Servers are asked for room again after this long, before their pause is over. */
const ASK_AGAIN_MS = 500;

/** The ledger in the table at this URL, to leave it; see {@link MoveSource.open}. */
export async function openMoveSource(location: string, signal: AbortSignal): Promise<LedgerSource> {
  return MoveSource.open(openTable(location), signal);
}

/**
 * A ledger that leaves its table. Servers may run: an entry of the log tells them that it is leaving, and the one that
 * seals it has the position after that, which no other entry can take then without being noticed.
 */
export class MoveSource implements LedgerSource {
  readonly name: string;
  readonly warnings = [];
  readonly #place: OperatorTable;
  readonly #log: MovingLog;
  readonly #contents: LogContents;
  /** Whether the log may have a seal that this process has not seen there. */
  #mayBeSealed = false;

  /** Rejects with LedgerRefused if there is no ledger, or if one is being moved in. */
  static async open(place: OperatorTable, signal: AbortSignal): Promise<MoveSource> {
    const { table, name } = place;
    try {
      return await explained(name, async () => {
        const view = await readView(table, name);
        if (!view.isMoving) return new MoveSource(place, new MovingLog(table, view, name, signal));
        throw new LedgerRefused(`a ledger is being moved into ${name}; finish that with order-numbers migrate`);
      });
    } catch (error) {
      place.close();
      throw error;
    }
  }

  private constructor(place: OperatorTable, log: MovingLog) {
    this.#place = place;
    this.#log = log;
    this.name = place.name;
    this.#contents = new LogContents(place.name, place.table, log.view);
  }

  get isSealed(): boolean {
    return this.#mayBeSealed || this.#log.view.movedTo !== undefined;
  }

  requireNotElsewhere(place: Place): void {
    const { movedTo } = this.#log.view;
    if (movedTo !== undefined && !isSamePlace(placeOf(movedTo), place)) requireNotMoved(this.name, this.#log.view);
  }

  /** An entry of its own each time: another command that had the ledger on its way before is refused to seal it. */
  async hold(place: Place): Promise<void> {
    const { view } = this.#log;
    if (!this.isSealed) {
      await this.#add(this.#log, () => {
        requireNotMoved(this.name, view);
        const { leavingFor } = view;
        if (leavingFor !== undefined && !isSamePlace(placeOf(leavingFor), place)) throw leaving(this.name, leavingFor);
        return { ...this.#unchanged, leavingFor: placeText(place) };
      });
    }
    await this.#explained(() => this.#log.index());
  }

  async counts(): Promise<LedgerCounts> {
    return this.#explained(async () => {
      const { position: end } = this.#log.view.head;
      let [rows, stores] = [0, 0];
      for (let first = 1; first <= end; first += ENTRIES_PER_READ) {
        const length = Math.min(ENTRIES_PER_READ, end - first + 1);
        const positions = Array.from({ length }, (_, i) => first + i);
        for (const { allocations, created } of await readEntries(this.#place.table, positions)) {
          rows += allocations.length;
          stores += created.size;
        }
      }
      return { rows: BigInt(rows), stores: BigInt(stores) };
    });
  }

  counters(): Promise<LedgerCounters> {
    return this.#contents.counters();
  }

  allocationsAfter(orderId: bigint, limit: number): Promise<readonly Allocation[]> {
    return this.#explained(() => this.#contents.allocationsAfter(orderId, limit));
  }

  storesAfter(storeId: bigint, limit: number): Promise<readonly Store[]> {
    return this.#explained(() => this.#contents.storesAfter(storeId, limit));
  }

  declaredLosses(): Promise<readonly DeclaredLoss[]> {
    return this.#explained(() => this.#contents.declaredLosses());
  }

  /** Only right after the entry of `hold`: whatever was written in between is not in the copy. */
  async seal(place: Place): Promise<void> {
    this.#mayBeSealed = true;
    const isDone = await this.#explained(() =>
      this.#log.appendUnlessTaken({ ...this.#unchanged, movedTo: placeText(place) }),
    );
    this.#mayBeSealed = false;
    if (isDone) return;
    throw new LedgerRefused(
      `the move out of ${this.name} was given up, or taken over by another order-numbers command`,
    );
  }

  async release(): Promise<void> {
    const { view } = this.#log;
    // Also after the signal that stopped the move.
    const log = new MovingLog(this.#place.table, view, this.name, new AbortController().signal);
    await this.#add(log, () => (view.leavingFor === undefined || this.isSealed ? undefined : this.#unchanged));
  }

  async close(): Promise<void> {
    this.#place.close();
  }

  /** An entry that changes nothing. */
  get #unchanged(): LogChange {
    const { lastOrderId, lastCreateTimeMs } = this.#log.view;
    return { ...moving({ lastOrderId, createTimeMs: lastCreateTimeMs }), isMoving: false };
  }

  /**
   * Adds an entry behind whatever servers add in the meantime, unless there is nothing to add any more. Servers that
   * are nearer to the table would always be faster, so they are asked for room until they give it.
   */
  #add(log: MovingLog, form: () => LogChange | undefined): Promise<void> {
    return this.#explained(async () => {
      for (let askedAt = -Infinity; ;) {
        await log.follow();
        const change = form();
        if (!change || (await log.appendUnlessTaken(change))) return;
        if (performance.now() - askedAt < ASK_AGAIN_MS) continue;
        askedAt = performance.now();
        await log.askForRoom();
      }
    });
  }

  #explained<Result>(work: () => Promise<Result>): Promise<Result> {
    return explained(this.name, work);
  }
}
