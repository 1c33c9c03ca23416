import { LedgerRefused } from '../../../core/errors.ts';
import type { ExpectedLedger } from '../../../core/expected-ledger.ts';
import { mayCreate, notCreated, requireExpectedId } from '../../../core/expected-ledger.ts';
import { COPY_PAGE } from '../../../core/move/contents.ts';
import { BackOff } from '../table/back-off.ts';
import { failureOf, NotReady } from '../table/failures.ts';
import type { Item } from '../table/item.ts';
import { logKey } from '../table/keys.ts';
import type { TableAdmin } from '../table/table-admin.ts';
import type { Table } from '../table/table.ts';
import { genesisItem, toGenesis } from './entry-item.ts';
import type { Head } from './ledger-view.ts';
import { LedgerView } from './ledger-view.ts';
import type { Genesis, LogEntry } from './log-entry.ts';
import { entriesAfter, readEntry, readMark } from './log-reader.ts';

/**
 * Entries whose items may be missing, at most: servers stop numbering long before, and a move writes the items of a page of
 * rows, each an entry at worst, before it goes on. A log that has more has lost how far its items are complete, and reading
 * all of it may take more memory than there is.
 */
const MAX_TAIL = 500;
const MAX_MOVED = MAX_TAIL + COPY_PAGE;
/** Rows and stores of these entries, at most: 64 full entries of a server have fewer. */
const MAX_ROWS = 700_000;
/** How long a table may take to become ready before that is reported. */
const READY_MS = 30_000;

/** The ledger of a table as it was found. */
export interface FoundLedger {
  readonly view: LedgerView;
  /** The entries behind those whose derived items are complete, in order. The view does not have them yet. */
  readonly tail: readonly LogEntry[];
  /** How far the derived items are complete, as the table says; undefined if it does not. */
  readonly mark: bigint | undefined;
  readonly isNew: boolean;
}

/** Where a ledger is, and which one may be there. */
export interface LedgerPlace {
  readonly table: Table;
  readonly admin: TableAdmin;
  /** Without secrets. */
  readonly name: string;
  readonly expected: ExpectedLedger;
}

/**
 * Reads the ledger of a table, or creates it. Rejects with LedgerRefused if it is not the expected one, or not the one
 * that this process `saw`, or if it ends before the entry that it saw: the table was replaced by an older copy, and
 * continuing would give numbers twice. Creates nothing once the signal is aborted.
 */
export async function readLedger(place: LedgerPlace, saw: Head | undefined, signal: AbortSignal): Promise<FoundLedger> {
  const { table, name } = place;
  const { genesis, isNew } = await readGenesis(place, saw !== undefined, signal);
  requireExpectedId(name, genesis.ledgerId, place.expected);
  if (saw) await requireSeen(place, saw, genesis);
  return { ...(await readFrom(table, name, genesis)), isNew };
}

/** The view of a ledger that exists, without changing anything. Rejects with LedgerRefused if there is none. */
export async function readView(table: Table, name: string): Promise<LedgerView> {
  const first = await table.get(logKey(0)).catch((error: unknown) => {
    if (failureOf(error) === 'no table') return undefined;
    throw error;
  });
  if (!first) throw new LedgerRefused(`no ledger exists in ${name}; check the name of the table and its region`);
  const { view, tail } = await readFrom(table, name, toGenesis(first, name));
  for (const entry of tail) view.apply(entry);
  return view;
}

async function readFrom(table: Table, name: string, genesis: Genesis): Promise<Omit<FoundLedger, 'isNew'>> {
  const mark = await readMark(table);
  const indexedTo = Number(mark ?? 0n);
  const indexed = indexedTo === 0 ? undefined : await readEntry(table, indexedTo);
  if (indexedTo > 0 && !indexed) {
    throw new LedgerRefused(
      `the log of ${name} lacks entry ${indexedTo}, which its other items know: a part of it is an older copy; put the ` +
        'newest copy back',
    );
  }
  const tail: LogEntry[] = [];
  let rows = 0;
  for await (const entries of entriesAfter(table, indexedTo)) {
    tail.push(...entries);
    for (const { allocations, stores } of entries) rows += allocations.length + stores.length;
    const most = entries.at(-1)!.isMoving ? MAX_MOVED : MAX_TAIL;
    if (tail.length > most || rows > MAX_ROWS) throw markLost(name, mark, tail.length);
  }
  return { view: new LedgerView(genesis, indexed), tail, mark };
}

function markLost(name: string, mark: bigint | undefined, follow: number): LedgerRefused {
  const says =
    mark === undefined
      ? 'does not say how far its items are complete'
      : `says that its items are complete up to entry ${mark}`;
  return new LedgerRefused(
    `the item meta of ${name} ${says}, and at least ${follow} entries of the log follow; run order-numbers dynamodb reindex ` +
      `'${name}', which completes the items and says so there`,
  );
}

async function readGenesis(
  place: LedgerPlace,
  mustExist: boolean,
  signal: AbortSignal,
): Promise<{ genesis: Genesis; isNew: boolean }> {
  const { table, name, expected } = place;
  const found = await readFirst(place, mustExist, signal);
  if (found) return { genesis: toGenesis(found, name), isNew: false };
  if (mustExist) throw new LedgerRefused(`${name} is empty, but had a ledger; put that table back`);
  if (!mayCreate(expected)) throw notCreated(name, expected);
  signal.throwIfAborted();
  const genesis: Genesis = { ledgerId: crypto.randomUUID(), firstOrderId: 1n, isMoving: false };
  // Another server may create it at the same time; then that one counts.
  const other = await table.putNew(genesisItem(genesis));
  return other ? { genesis: toGenesis(other, name), isNew: false } : { genesis, isNew: true };
}

/**
 * The first item of the log. Creates the table if there is none, and that is allowed. Rejects with LedgerRefused if it
 * is being deleted: a new ledger in its place would hide that, so an operator has to decide.
 */
export async function readFirst(
  { table, admin, name, expected }: LedgerPlace,
  mustExist: boolean,
  signal: AbortSignal,
): Promise<Item | undefined> {
  const end = performance.now() + READY_MS;
  for (const backOff = new BackOff(); ; await backOff.pause(signal)) {
    signal.throwIfAborted();
    try {
      return await table.get(logKey(0));
    } catch (error) {
      if (failureOf(error) !== 'no table') throw error;
    }
    // It may exist, but not be ready yet.
    const status = await admin.status();
    if (status === 'DELETING') {
      throw new LedgerRefused(
        `the table of ${name} is being deleted; start again once it is gone, or name another one`,
      );
    }
    if (status === undefined) {
      if (mustExist) throw new LedgerRefused(`${name} is gone; put that table back`);
      if (!mayCreate(expected)) throw notCreated(name, expected);
      signal.throwIfAborted();
      await admin.create();
    }
    if (performance.now() > end) throw new NotReady(`the table of ${name} is not ready (${status ?? 'just created'})`);
  }
}

async function requireSeen({ table, name }: LedgerPlace, saw: Head, genesis: Genesis): Promise<void> {
  const batchId = saw.position === 0 ? genesis.ledgerId : (await readEntry(table, saw.position))?.batchId;
  if (batchId === saw.batchId) return;
  throw new LedgerRefused(
    `${name} does not have entry ${saw.position} of the log that was served: it is an older copy or another ledger, and ` +
      'continuing would give numbers twice; put the newest copy back, or restart this server if that is what is wanted',
  );
}
