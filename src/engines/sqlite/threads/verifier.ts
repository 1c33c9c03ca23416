import { workerData } from 'node:worker_threads';
import type { VerifyEvent } from '../../../core/verify/events.ts';
import { verifyInPages } from '../../../core/verify/verify-ledger.ts';
import { openReadConnection } from '../file/connection.ts';
import { serveThread } from './thread.ts';
import { SqliteVerifySource } from '../verify/verify-source.ts';

/** The workerData of a verifying thread. */
export interface VerifierOptions {
  /** Path of the database. */
  readonly database: string;
  /** Only this store's sequence. */
  readonly storeId: bigint | undefined;
}

/** The methods of the thread. */
export type VerifierMethods = {
  /** What the next stretch of reading found; empty after the verdict. */
  next(_: undefined): Promise<VerifyEvent[]>;
  close(_: undefined): void;
};

/** Enough events to hand over together. */
const ENOUGH_EVENTS = 1000;

const { database, storeId } = workerData as VerifierOptions;
const db = openReadConnection(database);
const pages = readPages();

serveThread({
  async next() {
    const found: VerifyEvent[] = [];
    for (let page = await pages.next(); !page.done; page = await pages.next()) {
      for (const event of page.value) found.push(event);
      if (found.at(-1)?.kind === 'progress' || found.length >= ENOUGH_EVENTS) break;
    }
    return found;
  },
  close: () => void db.close(),
} satisfies VerifierMethods);

/** Begins with the first call, so that a failure becomes its answer. */
async function* readPages() {
  yield* verifyInPages(new SqliteVerifySource(db), storeId);
}
