import type { TestContext } from 'vitest';
import type { DenseRow } from '../ledgers/dense-rows.ts';
import { POSTGRES } from './postgres-engine.ts';
import type { ServeOptions, ServerProcess } from '../processes/server-process.ts';
import { SQLITE } from './sqlite-engine.ts';

/** What keeps a ledger: whatever callers see has to be the same on all of them. */
export interface Engine {
  readonly name: string;
  /** What to give to --ledger for a new one, which ends with the test. */
  newLedger(): Promise<string>;
  /** Asserts that its rows are dense, past the server; returns them in order_id order. */
  assertDense(ledger: string): Promise<readonly DenseRow[]>;
  /** Changes its tables past the server. */
  execute(ledger: string, sql: string): Promise<void>;
  /** The lists of its allocations cannot be read any more. */
  damage(ledger: string): Promise<void>;
  /** A new one that fails when it is told to. First line of its test: it is skipped where a tool is missing. */
  newFaultyLedger(test: TestContext): Promise<FaultyLedger>;
}

/** A ledger for one server, and what can go wrong with what is below it. */
export interface FaultyLedger {
  /** What to give to --ledger, with these options. */
  readonly ledger: string;
  readonly options: ServeOptions;

  /** From now on a commit does not come to its end, until {@link release}. */
  holdCommits(): Promise<void>;
  /** Resolves when one has begun and does not end. */
  commitIsHeld(): Promise<void>;
  release(): Promise<void>;
  /** What `replayed` can be where a server died while its commit hung, and another is asked again. */
  readonly heldMayBeReplayed: readonly boolean[];

  /** The next commit that begins fails, and only that one. */
  failNextCommit(): Promise<void>;
  /** No commit has room on the disk, until {@link freeDisk}. */
  fillDisk(): Promise<void>;
  freeDisk(): Promise<void>;

  /** From the next allocation on the server has to open it again, and cannot until {@link makeAvailable}. */
  makeUnavailable(): Promise<void>;
  /** What the server's log says of that. */
  readonly unavailableReason: RegExp;
  makeAvailable(): Promise<void>;

  /** The next allocation is committed, and its server dies before it hears of that. */
  killAfterCommit(server: ServerProcess): Promise<void>;
}

export const ENGINES: readonly Engine[] = [SQLITE, POSTGRES];
