import type { TestContext } from 'vitest';
import type { DenseRow } from '../ledgers/dense-rows.ts';
import { DYNAMODB } from './dynamodb-engine.ts';
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
  /** Adds this many orders of 10 stores, past the server, with long keys and the time 1 s after 1970. */
  addOrders(ledger: string, count: number): Promise<void>;
  /** Sets the last create_time past the server: that of an order which was numbered while a clock was wrong. */
  setLastCreateTime(ledger: string, createTimeMs: number): Promise<void>;
  /** Takes an order out of its rows, past all servers, and leaves the counters. */
  deleteOrder(ledger: string, orderId: bigint): Promise<void>;
  /** Makes reads of stores fail in a way that no server foresees; undefined if there is none: a failing table is reopened. */
  readonly breakStoreReads: ((ledger: string) => Promise<void>) | undefined;
  /** Whether its disk can be full, which is proven to burn nothing (LEDGER_FULL). */
  readonly canBeFull: boolean;
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
  /** Every commit fails on a full disk, until {@link freeDisk}; they reject on an engine that has none. */
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

export const ENGINES: readonly Engine[] = [SQLITE, POSTGRES, DYNAMODB];
