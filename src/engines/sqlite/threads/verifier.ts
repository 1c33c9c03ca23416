import { workerData } from 'node:worker_threads';
import type { VerifyEvent } from '../../../core/verify/events.ts';
import { openReadConnection } from '../file/connection.ts';
import { serveThread } from './thread.ts';
import { verifyLedger } from '../verify/verify-source.ts';

/** What a verifying thread is started with. */
export interface VerifierOptions {
  /** Path of the database. */
  readonly database: string;
  /** Only this store's sequence. */
  readonly storeId: bigint | undefined;
}

/** What the thread serves. */
export type VerifierMethods = {
  /** What the next stretch of reading found; empty after the verdict. */
  next(_: undefined): VerifyEvent[];
  close(_: undefined): void;
};

/** Events handed over at once, at most. */
const MOST_EVENTS = 1000;

const { database, storeId } = workerData as VerifierOptions;
const db = openReadConnection(database);
const events = verifyLedger(db, storeId);

serveThread({
  next() {
    const found: VerifyEvent[] = [];
    for (let next = events.next(); !next.done; next = events.next()) {
      found.push(next.value);
      if (next.value.kind === 'progress' || found.length >= MOST_EVENTS) break;
    }
    return found;
  },
  close: () => void db.close(),
} satisfies VerifierMethods);
