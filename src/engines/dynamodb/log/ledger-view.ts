import type { Allocation } from '../../../core/allocation.ts';
import { OrderError } from '../../../core/errors.ts';
import type { Store } from '../../../core/store.ts';
import type { Genesis, LogEntry } from './log-entry.ts';

/** Stores that are kept in memory beside those of the tail: a server with more has to look some of them up again. */
const MAX_STORES = 200_000;

/** The last entry of the log. */
export interface Head {
  readonly position: number;
  readonly batchId: string;
}

/** What keeps the tail of a view while derived items are looked up. */
export interface Pin {
  /** Learns a store that was looked up under this pin, and returns what is known of it: the tail may have a newer one. */
  learn(found: Store): Store;
  release(): void;
}

/**
 * What a server knows of the log, as of `head`. It is good for numbering only as long as nothing follows there, which a
 * put at the next position finds out.
 *
 * The entries behind `indexedTo` are its tail, kept whole, because their derived items may not be written yet.
 */
export class LedgerView {
  readonly genesis: Genesis;
  #head: Head;
  #lastOrderId: bigint;
  #lastCreateTimeMs: number;
  #isMoving: boolean;
  #leavingFor: string | undefined;
  #movedTo: string | undefined;
  #indexedTo: number;
  #lastCreatedStoreId = 0n;
  readonly #tail: LogEntry[] = [];
  readonly #stores = new Map<bigint, Store>();
  /** The allocations of the tail, by their keys. */
  readonly #recent = new Map<string, Allocation>();
  /** The positions behind which the tail is kept, by the pins that need it. */
  readonly #pins = new Map<symbol, number>();

  /** A view that ends at the last entry whose derived items are known to be complete; undefined means the genesis. */
  constructor(genesis: Genesis, indexed: LogEntry | undefined) {
    this.genesis = genesis;
    this.#indexedTo = indexed?.position ?? 0;
    this.#head = { position: this.#indexedTo, batchId: indexed?.batchId ?? genesis.ledgerId };
    this.#lastOrderId = indexed?.lastOrderId ?? genesis.firstOrderId - 1n;
    this.#lastCreateTimeMs = indexed?.createTimeMs ?? 0;
    this.#isMoving = indexed?.isMoving ?? genesis.isMoving;
    this.#leavingFor = indexed?.leavingFor;
    this.#movedTo = indexed?.movedTo;
  }

  get head(): Head {
    return this.#head;
  }

  get lastOrderId(): bigint {
    return this.#lastOrderId;
  }

  get lastCreateTimeMs(): number {
    return this.#lastCreateTimeMs;
  }

  get isMoving(): boolean {
    return this.#isMoving;
  }

  get leavingFor(): string | undefined {
    return this.#leavingFor;
  }

  get movedTo(): string | undefined {
    return this.#movedTo;
  }

  /** The greatest id of a store that was created since the view began; 0 if none was. */
  get lastCreatedStoreId(): bigint {
    return this.#lastCreatedStoreId;
  }

  /** The derived items of all entries up to here are written. */
  get indexedTo(): number {
    return this.#indexedTo;
  }

  /** In order, up to the head; may begin with entries that are indexed meanwhile. */
  get tail(): readonly LogEntry[] {
    return this.#tail;
  }

  /** Moves the head to the entry after it. Throws LEDGER_DAMAGED if it does not continue what is known. */
  apply(entry: LogEntry): void {
    const { position, batchId } = this.#head;
    if (entry.position !== position + 1) throw new Error(`entry ${entry.position} was applied after ${position}`);
    if (entry.previous !== batchId) {
      throw new OrderError(
        'LEDGER_DAMAGED',
        `the ledger is damaged: entry ${entry.position} of its log follows ${entry.previous}, not ${batchId}`,
      );
    }
    this.#head = { position: entry.position, batchId: entry.batchId };
    this.#lastOrderId = entry.lastOrderId;
    this.#lastCreateTimeMs = entry.createTimeMs;
    this.#isMoving = entry.isMoving;
    this.#leavingFor = entry.leavingFor;
    this.#movedTo = entry.movedTo;
    this.#tail.push(entry);
    for (const store of entry.stores) this.#keep(store);
    for (const storeId of entry.created) {
      if (storeId > this.#lastCreatedStoreId) this.#lastCreatedStoreId = storeId;
    }
    for (const allocation of entry.allocations) this.#recent.set(keyOf(allocation), allocation);
  }

  /** The derived items up to a position are written. */
  indexed(position: number): void {
    this.#indexedTo = Math.max(this.#indexedTo, position);
    this.#trim();
  }

  /** Keeps the tail that there is. What the derived items do not have from now on is in the tail, or behind the head. */
  pin(): Pin {
    const pin = Symbol();
    // The mark may be beyond the head: the entries between are still to come, and must not be forgotten as they arrive.
    this.#pins.set(pin, Math.min(this.#indexedTo, this.#head.position));
    return {
      learn: (found) => {
        const known = this.store(found.storeId);
        // Without the pin the tail may lack what has changed since.
        if (!known && this.#pins.has(pin)) this.#keep(found);
        return known ?? found;
      },
      release: () => {
        this.#pins.delete(pin);
        this.#trim();
      },
    };
  }

  /** The allocation of a request, if the tail has it. */
  allocation(key: { readonly storeId: bigint; readonly requestId: string }): Allocation | undefined {
    return this.#recent.get(keyOf(key));
  }

  /** A store as of the head; undefined if it has to be looked up. */
  store(storeId: bigint): Store | undefined {
    return this.#stores.get(storeId) ?? this.#storeInTail(storeId);
  }

  /** A store that was forgotten, although the derived items may not have its last state yet. */
  #storeInTail(storeId: bigint): Store | undefined {
    for (let i = this.#tail.length - 1; i >= 0; i--) {
      const found = this.#tail[i]!.stores.find((store) => store.storeId === storeId);
      if (found) return found;
    }
    return undefined;
  }

  #keep(store: Store): void {
    // The store that was used longest ago leaves.
    this.#stores.delete(store.storeId);
    this.#stores.set(store.storeId, store);
    if (this.#stores.size <= MAX_STORES) return;
    const [oldest] = this.#stores.keys();
    this.#stores.delete(oldest!);
  }

  #trim(): void {
    const needed = Math.min(this.#indexedTo, ...this.#pins.values());
    let done = 0;
    for (const { position, allocations } of this.#tail) {
      if (position > needed) break;
      for (const allocation of allocations) this.#recent.delete(keyOf(allocation));
      done++;
    }
    this.#tail.splice(0, done);
  }
}

function keyOf({ storeId, requestId }: { readonly storeId: bigint; readonly requestId: string }): string {
  return `${storeId} ${requestId}`;
}
