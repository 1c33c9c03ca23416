import { appendFileSync } from 'node:fs';

/** Points that a call passes in the main thread of a server, in this order. They exist on every engine. */
export const CALL_POINTS = ['decoded', 'queued', 'batch formed', 'before the replies', 'half the replies'] as const;

/** Points that a batch passes in its transaction. */
export const TRANSACTION_POINTS = [
  'before BEGIN',
  'after BEGIN',
  'mid-inserts',
  'before COMMIT',
  'after COMMIT',
] as const;

/** The checkpointer makes passes; then the writer ends the checkpoint, and records in the mark what the file holds. */
export const CHECKPOINT_POINTS = [
  'before a pass of a checkpoint',
  'after a pass of a checkpoint',
  'before a checkpoint is recorded',
] as const;

/** A start moves what is in the WAL into the database, creates or upgrades the schema, and opens. */
export const START_POINTS = [
  'before the recovery',
  'after the recovery',
  'in a migration',
  'after a migration',
  'when it has opened',
] as const;

/** What a write of a ledger on DynamoDB passes: the log has a batch before anything is derived from it. */
export const TABLE_POINTS = [
  'before the put of the log',
  'after the put of the log',
  'before derived items',
  'after derived items',
  'before the mark is raised',
  'after the mark is raised',
] as const;

/** What a backup passes, which is a process of its own. */
export const BACKUP_POINTS = ['in a backup', 'before a backup is in its place'] as const;

export const SERVER_POINTS = [
  ...CALL_POINTS,
  ...TRANSACTION_POINTS,
  ...CHECKPOINT_POINTS,
  ...START_POINTS,
  ...TABLE_POINTS,
] as const;

export type ServerPoint = (typeof SERVER_POINTS)[number];
export type TablePoint = (typeof TABLE_POINTS)[number];
export type BackupPoint = (typeof BACKUP_POINTS)[number];
export type Point = ServerPoint | BackupPoint;

/** A process with these variables kills, when it passes the point for the nth time. */
export interface Kill {
  readonly point: Point;
  readonly nth: number;
  /** The file that is told, before the kill. */
  readonly hits: string;
  /** Another process than the one that passes the point. */
  readonly victim?: number | undefined;
}

/** The variables of a {@link Kill}, which threads inherit. */
export function variablesOf({ point, nth, hits, victim }: Kill): Record<string, string> {
  const variables = { KILL_POINT: point, KILL_NTH: String(nth), KILL_HITS: hits };
  return victim === undefined ? variables : { ...variables, KILL_VICTIM: String(victim) };
}

const { KILL_POINT, KILL_NTH, KILL_HITS, KILL_VICTIM } = process.env;
let passed = 0;

/** Whether this process kills at one of these points. */
export function isArmed(...points: readonly Point[]): boolean {
  return points.some((point) => point === KILL_POINT);
}

/** Kills if this is the point, and the time, for it. A process that kills itself does not return from here. */
export function passes(point: Point): void {
  if (point !== KILL_POINT || ++passed !== Number(KILL_NTH)) return;
  appendFileSync(KILL_HITS!, `${point}\n`);
  process.kill(KILL_VICTIM === undefined ? process.pid : Number(KILL_VICTIM), 'SIGKILL');
}
