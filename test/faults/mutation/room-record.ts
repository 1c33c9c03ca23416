import { globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { commitOfTree, today } from '../frame/recordable.ts';
import type { Result } from './results.ts';
import { scoreOf } from './results.ts';

/** One file per room: docs/reliability.md shows them. */
export const ROOM_RECORDS = new URL('record/', import.meta.url).pathname;

/** What the last whole run of a room found. Every survivor stands in survivors.json, or there is no record. */
export interface RoomRecord {
  readonly room: string;
  readonly mutants: number;
  /** Mutants that failed a test, and mutants that hung or slowed one beyond its limit. */
  readonly killed: number;
  readonly timedOut: number;
  readonly survived: number;
  /** In percent. */
  readonly score: number;
  readonly date: string;
  readonly commit: string;
  readonly command: string;
}

export function recordOf(room: string, results: readonly Result[]): RoomRecord {
  const count = (...outcomes: Result['outcome'][]) =>
    results.filter(({ outcome }) => outcomes.includes(outcome)).length;
  return {
    room,
    mutants: results.length,
    killed: count('failed'),
    timedOut: count('timed out'),
    survived: count('survived', 'unreached'),
    score: scoreOf(results),
    date: today(),
    commit: commitOfTree(),
    command: `make test-mutations ARGS=${room}`,
  };
}

export function writeRoomRecord(record: RoomRecord, folder = ROOM_RECORDS): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${record.room}.json`), `${JSON.stringify(record, undefined, 2)}\n`);
}

export function readRoomRecords(folder = ROOM_RECORDS): readonly RoomRecord[] {
  const paths = globSync('*.json', { cwd: folder }).toSorted();
  return paths.map((path) => JSON.parse(readFileSync(join(folder, path), 'utf8')) as RoomRecord);
}
