import type { Machine } from '../machine.ts';
import type { Comparison } from '../measurements/comparison.ts';
import type { DynamodbResult } from '../measurements/dynamodb.ts';
import type { LedgerSize } from '../measurements/ledger-size.ts';
import type { Memory } from '../measurements/memory.ts';
import type { OpenLoop } from '../measurements/open-loop.ts';
import type { Overload } from '../measurements/overload.ts';
import type { PeersResult } from '../measurements/peers.ts';
import type { PostgresThroughput } from '../measurements/postgres.ts';
import type { Start } from '../measurements/start.ts';
import type { Stores } from '../measurements/stores.ts';
import type { Surface } from '../measurements/surface.ts';

/** What a run of the bench may measure; what was not asked for is absent. */
export interface Measured {
  readonly comparison?: Comparison;
  readonly openLoop?: OpenLoop;
  readonly overload?: Overload;
  readonly memory?: Memory;
  readonly ledgerSize?: LedgerSize;
  readonly stores?: Stores;
  readonly surface?: Surface;
  readonly postgres?: PostgresThroughput;
  readonly dynamodb?: DynamodbResult;
  readonly peers?: PeersResult;
  readonly start?: Start;
}

/** The circumstances of a run. */
export interface Circumstances {
  /** In ISO 8601, UTC, whole seconds. */
  readonly date: string;
  readonly command: string;
  /** The commit that was measured, with "-dirty" if the working tree differed from it; "unknown" without Git. */
  readonly commit: string;
  readonly machine: Machine;
}

/** The results of one run, as in bench/results. */
export type Result = Circumstances & Measured;

/** Formats the result as JSON, with rounded numbers so that the file stays small and readable. */
export function formatJson(result: Result): string {
  return JSON.stringify(result, roundNumber, 2);
}

function roundNumber(_key: string, value: unknown): unknown {
  return typeof value === 'number' && !Number.isInteger(value) ? Number(value.toPrecision(5)) : value;
}
