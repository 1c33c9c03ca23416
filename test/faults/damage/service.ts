import { AssertionError } from 'node:assert';
import Database from 'better-sqlite3';
import type { AllocationRequest } from '../../../src/core/allocation.ts';
import { LedgerRefused, messageOf, OrderError } from '../../../src/core/errors.ts';
import { verifyLedger } from '../../../src/core/verify/verify-ledger.ts';
import { openReadConnection } from '../../../src/engines/sqlite/file/connection.ts';
import { takeFence } from '../../../src/engines/sqlite/file/fence.ts';
import type { LedgerFiles } from '../../../src/engines/sqlite/file/ledger-files.ts';
import { Queries } from '../../../src/engines/sqlite/statements/queries.ts';
import { Writer } from '../../../src/engines/sqlite/threads/writer.ts';
import type { AllocationRow } from '../../../src/engines/sqlite/statements/rows.ts';
import { SqliteVerifySource } from '../../../src/engines/sqlite/verify/verify-source.ts';
import type { LedgerSnapshot } from '../../support/ledgers/dense-rows.ts';
import { readLedger } from '../../support/ledgers/density.ts';
import type { Pair } from '../history/pair.ts';
import { commit } from './giving-ledger.ts';

/** Who notices damage, in the order in which they come to it. */
export const NOTICES = ['refused at start', 'warned at start', 'verify', 'a read', 'a commit'] as const;
export type Notice = (typeof NOTICES)[number];

/** What a server does with a damaged ledger. */
export interface Outcome {
  /** Who notices, and in what words. A server that refused the ledger does nothing else. */
  readonly noticed: ReadonlyMap<Notice, string>;
  /** Lookups, by each of three keys, whose answer differs from what a caller was told. */
  readonly wrongReads: number;
  /** Every pair that callers were told afterwards: of new requests, and of all earlier ones again. */
  readonly after: readonly Pair[];
  /** What the ledger has in the end, read past the server; undefined if it was refused, or cannot be read. */
  readonly contents: LedgerSnapshot<AllocationRow> | undefined;
}

/** New requests after the damage, spread over the stores. */
const NEW_REQUESTS = 12;

/** Starts on these files, verifies them, reads everything that was given and asks for it again, and for new numbers. */
export async function serve(
  files: LedgerFiles,
  given: readonly Pair[],
  { verifies = true }: { readonly verifies?: boolean } = {},
): Promise<Outcome> {
  const noticed = new Map<Notice, string>();
  const fence = takeFence(files);
  const writer = new Writer({ files, autoCreateStores: true, expected: undefined, lock: fence.identity });
  try {
    const warning = start(writer);
    if (warning !== '') noticed.set('warned at start', warning);
    if (verifies) await noticing(noticed, 'verify', () => verify(files));
    let wrongReads = 0;
    await noticing(noticed, 'a read', () => {
      wrongReads = readEverything(files, given);
    });
    const after: Pair[] = [];
    await noticing(noticed, 'a commit', () => askAgain(writer, given, after));
    return { noticed, wrongReads, after, contents: contentsOf(files) };
  } catch (error) {
    if (!(error instanceof LedgerRefused || error instanceof Database.SqliteError)) throw error;
    return {
      noticed: new Map([['refused at start', messageOf(error)]]),
      wrongReads: 0,
      after: [],
      contents: undefined,
    };
  } finally {
    closeQuietly(writer);
    fence.release();
  }
}

function contentsOf(files: LedgerFiles): LedgerSnapshot<AllocationRow> | undefined {
  try {
    return readLedger(files.database);
  } catch (error) {
    if (error instanceof Database.SqliteError || error instanceof AssertionError) return undefined;
    throw error;
  }
}

/** Returns its warnings. */
function start(writer: Writer): string {
  const opening = writer.open({ atStart: true });
  if (opening === 'busy' || 'why' in opening) throw new LedgerRefused('it did not open');
  return opening.warnings.join('; ');
}

async function noticing(noticed: Map<Notice, string>, notice: Notice, run: () => void | Promise<void>): Promise<void> {
  try {
    await run();
  } catch (error) {
    // A TypeError comes of a column whose type was damaged.
    const isExpected = [LedgerRefused, OrderError, Database.SqliteError, TypeError].some(
      (type) => error instanceof type,
    );
    if (!isExpected) throw error;
    noticed.set(notice, messageOf(error));
  }
}

/** Throws the first finding. */
async function verify(files: LedgerFiles): Promise<void> {
  const db = openReadConnection(files.database);
  try {
    for await (const event of verifyLedger(new SqliteVerifySource(db), undefined)) {
      if (event.kind === 'finding') throw new LedgerRefused(event.message);
    }
  } finally {
    db.close();
  }
}

/** Returns how many answers were wrong, without an error. */
function readEverything(files: LedgerFiles, given: readonly Pair[]): number {
  const db = openReadConnection(files.database);
  try {
    const queries = new Queries(db);
    let wrong = 0;
    for (const pair of given) {
      const { orderId, storeId, orderNumber, requestId } = pair;
      for (const key of [{ orderId }, { storeId, orderNumber }, { storeId, requestId }]) {
        const found = queries.getAllocation(key);
        const isRight =
          found?.orderId === orderId && found.orderNumber === orderNumber && found.requestId === requestId;
        if (!isRight) wrong++;
      }
    }
    return wrong;
  } finally {
    db.close();
  }
}

function askAgain(writer: Writer, given: readonly Pair[], after: Pair[]): void {
  const step = Math.max(1, Math.floor(given.length / NEW_REQUESTS));
  for (const [i, { storeId }] of given.entries()) {
    if (i % step === 0) after.push(...commit(writer, [{ storeId, requestId: `after-${i}`, count: 1, caller: '' }]));
  }
  const again = given.map(({ storeId, requestId, count }): AllocationRequest => {
    return { storeId, requestId, count, caller: '' };
  });
  after.push(...commit(writer, again));
}

/** Numbers that two requests were told, and requests that were told two pairs. */
export function twiceIn(given: readonly Pair[], after: readonly Pair[]): number {
  const owners = new Map<string, string>();
  let twice = 0;
  for (const pair of [...given, ...after]) {
    const clashes = claimsOf(pair).filter(([claim, owner]) => {
      const before = owners.get(claim);
      if (before === undefined) owners.set(claim, owner);
      return before !== undefined && before !== owner;
    });
    if (clashes.length > 0) twice++;
  }
  return twice;
}

function claimsOf({ orderId, storeId, orderNumber, count, requestId }: Pair): (readonly [string, string])[] {
  const request = `${storeId} ${requestId}`;
  const numbers = Array.from({ length: count }, (_, i) => BigInt(i));
  return [
    [`request ${request}`, `${orderId} ${orderNumber}`],
    ...numbers.map((i) => [`order_id ${orderId + i}`, request] as const),
    ...numbers.map((i) => [`number ${orderNumber + i} of ${storeId}`, request] as const),
  ];
}

/** A damaged ledger may not close well; what matters has been seen. */
function closeQuietly(writer: Writer): void {
  try {
    writer.close();
  } catch {
    return;
  }
}
