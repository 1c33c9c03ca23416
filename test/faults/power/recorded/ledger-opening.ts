import { join } from 'node:path';
import type Database from 'better-sqlite3';
import { LedgerRefused } from '../../../../src/core/errors.ts';
import type { Base, Mark } from '../../../../src/engines/sqlite/file/high-water-mark.ts';
import { readBase, readMark } from '../../../../src/engines/sqlite/file/high-water-mark.ts';
import { locateLedger } from '../../../../src/engines/sqlite/file/ledger-files.ts';
import { openLedger } from '../../../../src/engines/sqlite/recovery/open-ledger.ts';
import type { AllocationRow } from '../../../../src/engines/sqlite/statements/rows.ts';
import type { LedgerCounters, StoreCounter } from '../../../support/ledgers/dense-rows.ts';
import { assertDenseRows } from '../../../support/ledgers/dense-rows.ts';
import type { Told } from './lives/told.ts';

/** What the code that a start runs makes of a ledger's files. */
export interface Opening {
  /** Why it was refused, or what went wrong; undefined if it was opened. */
  readonly failed?: string | undefined;
  readonly isRefused: boolean;
  /** `order_id order_number` of every row, by request_id. */
  readonly found: ReadonlyMap<string, string>;
  readonly prefix: string;
  readonly lastOrderId: bigint;
  /** As they were before. */
  readonly mark: Mark | 'torn' | undefined;
  readonly base: Base | undefined;
}

/** Opens the ledger orders.db in this folder as a start does, and reads all of it. */
export function openingOf(folder: string, styledStore: bigint): Opening {
  const files = locateLedger(join(folder, 'orders.db'));
  const before = { mark: readMark(files.mark), base: readBase(files.mark) };
  const nothing = { found: new Map<string, string>(), prefix: '', lastOrderId: 0n, ...before };
  try {
    const { db, mark } = openLedger(files)!;
    mark.close();
    try {
      const integrity = String(db.pragma('integrity_check', { simple: true }));
      if (integrity !== 'ok') return { ...nothing, isRefused: false, failed: integrity };
      return { ...nothing, isRefused: false, ...readAll(db, styledStore) };
    } finally {
      db.close();
    }
  } catch (error) {
    return { ...nothing, isRefused: error instanceof LedgerRefused, failed: String(error) };
  }
}

function readAll(db: Database.Database, styledStore: bigint) {
  const ledger = db.prepare<[], LedgerCounters>('SELECT * FROM ledger').get()!;
  const stores = db.prepare<[], StoreCounter & { prefix: string }>('SELECT * FROM stores').all();
  const rows = db.prepare<[], AllocationRow>('SELECT * FROM allocations ORDER BY order_id').all();
  assertDenseRows({ ledger, stores, rows });
  return {
    found: new Map(rows.map((row) => [row.request_id, `${row.order_id} ${row.order_number}`])),
    prefix: stores.find(({ store_id }) => store_id === styledStore)?.prefix ?? '',
    lastOrderId: ledger.last_order_id,
  };
}

/** What a mark has to say at least. */
export interface MarkRule {
  /** The last order_id that it has to know. */
  readonly atLeast: bigint;
  /** Whether it may be torn: a power cut may do that, and then its base counts. */
  readonly mayBeTorn: boolean;
}

/** What is wrong with an opening, in one sentence; undefined if the promises hold. */
export function faultIn(opening: Opening, told: Told, rule: MarkRule): string | undefined {
  if (opening.failed !== undefined) return opening.failed;
  const lost = [...told.given].filter(([requestId, pair]) => opening.found.get(requestId) !== pair);
  if (lost.length > 0) {
    const [requestId = '', pair = ''] = lost[0]!;
    return `lost ${lost.length} of ${told.given.size}, such as ${requestId.slice(-12)}: ${pair}`;
  }
  const strange = [...opening.found.keys()].filter((requestId) => !told.asked.has(requestId));
  if (strange.length > 0) return `nobody asked for ${strange[0]!}`;
  // One without an answer may be done.
  if (opening.prefix !== told.prefix && opening.prefix !== told.askedPrefix) return `lost the prefix ${told.prefix}`;
  return markFault(opening, rule);
}

function markFault({ mark, base }: Opening, { atLeast, mayBeTorn }: MarkRule): string | undefined {
  if (mark === 'torn' && !mayBeTorn) return 'the mark is torn';
  const [line, older] = [typeof mark === 'object' ? mark.lastOrderId : 0n, base?.lastOrderId ?? 0n];
  const known = line > older ? line : older;
  if (known >= atLeast) return undefined;
  return `the mark knows of order_id ${known} only, not of ${atLeast}`;
}
