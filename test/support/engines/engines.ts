import type { TestContext } from 'vitest';
import type { DenseRow } from '../ledgers/dense-rows.ts';
import { POSTGRES } from './postgres-engine.ts';
import type { ServeOptions, ServerProcess } from '../processes/server-process.ts';
import { SQLITE } from './sqlite-engine.ts';

/** An engine under test: callers must see the same on all of them. */
export interface Engine {
  readonly name: string;
  /** A ledger without a number, for one test; resolves to its value of --ledger. */
  newLedger(): Promise<string>;
  /** The same, but the first server on it has to create it. */
  absentLedger(): Promise<string>;
  /** Asserts that its rows are dense, past the server; returns them in order_id order. */
  assertDense(ledger: string): Promise<readonly DenseRow[]>;
  /** Changes its tables past the server. */
  execute(ledger: string, sql: string): Promise<void>;
  /** Damages it, so that the lists of its allocations cannot be read any more. */
  damage(ledger: string): Promise<void>;
  /** A new ledger that fails on demand. First line of its test, which is skipped if a tool is missing. */
  newFaultyLedger(test: TestContext): Promise<FaultyLedger>;
}

/** A ledger for one server, and the faults that can be injected below it. */
export interface FaultyLedger {
  /** The value of --ledger, to be used with these options. */
  readonly ledger: string;
  readonly options: ServeOptions;

  /** From now on no commit completes, until {@link release}. */
  holdCommits(): Promise<void>;
  /** Resolves when a commit has begun and is held. */
  commitIsHeld(): Promise<void>;
  release(): Promise<void>;
  /** The possible `replayed` of a retry on another server, after one died while its commit hung. */
  readonly heldMayBeReplayed: readonly boolean[];

  /** The next commit that begins fails, and only that one. */
  failNextCommit(): Promise<void>;
  /** Every commit fails on a full disk, until {@link freeDisk}. */
  fillDisk(): Promise<void>;
  freeDisk(): Promise<void>;

  /** From the next allocation on the server has to reopen it, and cannot until {@link makeAvailable}. */
  makeUnavailable(): Promise<void>;
  /** What the server's log says about that. */
  readonly unavailableReason: RegExp;
  makeAvailable(): Promise<void>;

  /** The next allocation is committed, and its server dies before it learns that. */
  killAfterCommit(server: ServerProcess): Promise<void>;
}

export const ENGINES: readonly Engine[] = [SQLITE, POSTGRES];
