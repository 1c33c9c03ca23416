import { statfs } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ClosedReason, LedgerState } from '../core/ledger-state.ts';
import type { Logger } from './log/log.ts';

/** What the log lines about a closed ledger need. */
export interface ClosedLedger {
  readonly state: LedgerState;
  readonly logger: Logger;
  /** Its path, or the name of its database. */
  readonly name: string;
  /** Undefined for a ledger that is not a file. */
  readonly path: string | undefined;
  queueLength(): number;
}

const LOOK_MS = 1000;
const SECONDS_BETWEEN_LINES = 60;
/** The line is logged without the free space if the disk takes longer to report it. */
const SPACE_MS = 1000;

const NEXT: Readonly<Record<ClosedReason, string>> = {
  opening: 'it opens automatically',
  'disk full': 'free some space on its disk, and it opens automatically',
  'disk error': 'it opens automatically once its disk can be written again',
  'database unreachable': 'it opens automatically once the database takes writes',
  'an operator has to act': 'it stays closed until then',
};

/** Logs a line per minute while the ledger is closed. Returns a function that stops it. */
export function logWhileClosed(ledger: ClosedLedger): () => void {
  let next = SECONDS_BETWEEN_LINES;
  const timer = setInterval(() => {
    const { closedSeconds, isOpen } = ledger.state;
    if (isOpen) next = SECONDS_BETWEEN_LINES;
    if (isOpen || closedSeconds < next) return;
    next += SECONDS_BETWEEN_LINES;
    void logClosed(ledger);
  }, LOOK_MS).unref();
  return () => clearInterval(timer);
}

async function logClosed({ state, logger, name, path, queueLength }: ClosedLedger): Promise<void> {
  const { reason, why, closedSeconds } = state;
  const minutes = Math.floor(closedSeconds / 60);
  const line = {
    ledger: name,
    reason,
    closed_s: Math.floor(closedSeconds),
    waiting: queueLength(),
    free_bytes: path === undefined ? undefined : await freeBytes(path),
  };
  const since = minutes === 1 ? 'a minute' : `${minutes} minutes`;
  logger.error(
    line,
    `the ledger has been closed for ${since}: ${why}; orders wait until their deadline; ${NEXT[reason]}`,
  );
}

/** Free space on the disk of the ledger, for this user; undefined if the disk does not report it. */
async function freeBytes(path: string): Promise<number | undefined> {
  const space = statfs(dirname(path)).then(
    ({ bavail, bsize }) => bavail * bsize,
    () => undefined,
  );
  return Promise.race([space, delay(SPACE_MS, undefined, { ref: false })]);
}
