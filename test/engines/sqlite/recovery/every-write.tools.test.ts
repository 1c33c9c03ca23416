import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, expect, it, onTestFinished } from 'vitest';
import { locateLedger } from '../../../../src/engines/sqlite/file/ledger-files.ts';
import { openLedger } from '../../../../src/engines/sqlite/recovery/open-ledger.ts';
import { LedgerRefused } from '../../../../src/core/errors.ts';
import { assertDense } from '../../../support/ledgers/density.ts';
import { rowsOf, version1Ledger } from '../../../support/ledgers/version-1-ledger.ts';
import { requireTools } from '../../../support/required-tool.ts';
import { testFolder } from '../../../support/processes/server-process.ts';
import type { RecordedWrite } from '../../../support/disk/write-record.ts';
import { Files, PowerCut, recordRun } from '../../../support/disk/write-record.ts';

// A small ledger lives and is killed, twice, and every write to its files is recorded: opening, commits, the mark, stores,
// checkpoints complete and not, closing. Then the state after each of them is checked.

let recorded: { readonly ledger: string; readonly writes: readonly RecordedWrite[] } | undefined;

afterAll(() => recorded && rmSync(dirname(recorded.ledger), { recursive: true }));

function record() {
  if (!recorded) {
    const ledger = join(mkdtempSync(join(tmpdir(), 'order-numbers-')), 'orders.db');
    recorded = { ledger, writes: recordRun(ledger) };
  }
  return recorded;
}

/** What callers were answered so far: order_ids by their keys, and the last `prefix` of a store. */
function toldIn(files: Files): Map<string, string> {
  const lines = (files.get('.told') ?? '')
    .toString()
    .split('\n')
    .filter((line) => line !== '');
  return new Map(lines.map((line) => line.split(' ') as [string, string]).filter(([key]) => key !== 'backup'));
}

/** The result of opening this ledger: 'whole' if it holds everything answered, or what is wrong. */
function openingOf(ledger: string, told: ReadonlyMap<string, string>): string {
  try {
    const { db, mark } = openLedger(locateLedger(ledger))!;
    mark.close();
    const integrity = String(db.pragma('integrity_check', { simple: true }));
    const prefix = db.prepare<[], string>('SELECT prefix FROM stores WHERE store_id = 9').pluck().get() ?? '';
    db.close();
    const found = new Map(assertDense(ledger).map((row) => [row.request_id, String(row.order_id)]));
    // A request without an answer may be done.
    found.set('prefix', prefix === told.get('asked') ? (told.get('prefix') ?? '') : prefix);
    found.set('asked', told.get('asked') ?? '');
    const lost = [...told].filter(([key, orderId]) => found.get(key) !== orderId);
    return integrity === 'ok' && lost.length === 0 ? 'whole' : `${integrity}, lost ${lost.join('; ')}`;
  } catch (error) {
    return error instanceof LedgerRefused ? 'refused' : String(error);
  }
}

it('P4 P9: after a kill at any write, or in the middle of one, the ledger opens and holds every answered order', (test) => {
  requireTools(test, 'gcc');
  const files = new Files();
  const place = join(testFolder(), 'killed');
  const wrong: string[] = [];
  for (const [i, write] of record().writes.entries()) {
    if (write.kind === 'sync') continue;
    if (write.kind === 'write' && write.bytes.length > 512 && i % 7 === 0) {
      const half = files.copy();
      half.apply({ ...write, bytes: write.bytes.subarray(0, 512) });
      const opening = openingOf(half.putInto(place), toldIn(half));
      if (opening !== 'whole') wrong.push(`in the middle of ${i}, ${write.kind} ${write.name}: ${opening}`);
    }
    files.apply(write);
    // Only some of the frames of a commit.
    if (write.name === '.told' || (write.name === '-wal' && i % 5 !== 0)) continue;
    const opening = openingOf(files.putInto(place), toldIn(files));
    if (opening !== 'whole') wrong.push(`after ${i}, ${write.kind} ${write.name}: ${opening}`);
  }
  expect(wrong).toEqual([]);
}, 600_000);

it('P4 P9: after a power cut at any moment, whichever unsynced writes are on disk, the ledger opens and holds every answered order', (test) => {
  requireTools(test, 'gcc');
  const files = new Files();
  const disk = new PowerCut();
  const place = join(testFolder(), 'cut');
  const random = randomFrom(7);
  const wrong: string[] = [];
  for (const [i, write] of record().writes.entries()) {
    files.apply(write);
    disk.apply(write);
    if (write.name === '.told' || (write.name === '-wal' && i % 3 !== 0)) continue;
    const opening = openingOf(disk.cut(random).putInto(place), toldIn(files));
    if (opening !== 'whole') wrong.push(`after ${i}, ${write.kind} ${write.name}: ${opening}`);
  }
  expect(wrong).toEqual([]);
}, 600_000);

it('P9: an older copy put over the database after a kill at any write is refused without changing a file, or loses nothing', (test) => {
  requireTools(test, 'gcc');
  const { ledger, writes } = record();
  const files = new Files();
  const place = join(testFolder(), 'mixed');
  const wrong: string[] = [];
  const openings: string[] = [];
  for (const [i, write] of writes.entries()) {
    files.apply(write);
    if (write.kind === 'sync' || write.name === '.told' || (i % 8 !== 0 && write.name !== '.mark')) continue;
    for (const number of backupsIn(files)) {
      const mixed = files.copy();
      mixed.set('database', readFileSync(`${ledger}.backup-${number}`));
      const path = mixed.putInto(place);
      const opening = openingOf(path, toldIn(files));
      openings.push(opening);
      if (opening !== 'whole' && (opening !== 'refused' || !mixed.areIn(place))) {
        wrong.push(`backup ${number} after ${i}, ${write.kind} ${write.name}: ${opening}`);
      }
    }
  }
  expect(wrong).toEqual([]);
  expect(openings.filter((opening) => opening === 'refused').length).toBeGreaterThan(100);
  expect(openings).toContain('whole');
}, 600_000);

it('P4 P9: after a kill or a power cut at any write of an upgrade, the ledger opens and holds every order', (test) => {
  requireTools(test, 'gcc');
  const ledger = join(testFolder(), 'orders.db');
  const before = version1Ledger(ledger);
  // Read in a copy, because a look at the file itself creates its -wal file.
  const told = rowsOf(version1Ledger()).rows.map((row) => [row.request_id, String(row.order_id)] as const);
  const files = new Files();
  const disk = new PowerCut();
  const begin: readonly RecordedWrite[] = [
    ...(['database', '.mark'] as const).flatMap((name) => onDisk(name, name === '.mark' ? before.mark : ledger)),
    { kind: 'sync', name: 'folder' },
  ];
  for (const write of begin) {
    files.apply(write);
    disk.apply(write);
  }
  const place = join(testFolder(), 'upgraded');
  const random = randomFrom(7);
  const wrong: string[] = [];
  for (const [i, write] of recordRun(ledger, ['upgrades']).entries()) {
    files.apply(write);
    disk.apply(write);
    if (write.name === '.told') continue;
    const states = [files, ...Array.from({ length: 3 }, () => disk.cut(random))];
    for (const [n, state] of states.entries()) {
      const opening = openingOf(state.putInto(place), new Map([...told, ...toldIn(files)]));
      if (opening !== 'whole')
        wrong.push(`${n === 0 ? 'kill' : 'cut'} after ${i}, ${write.kind} ${write.name}: ${opening}`);
    }
  }
  expect(wrong).toEqual([]);
}, 600_000);

/** The writes that put this file on disk. */
function onDisk(name: string, path: string): RecordedWrite[] {
  const bytes = readFileSync(path);
  return [
    { kind: 'create', name },
    { kind: 'write', name, offset: 0, bytes },
    { kind: 'sync', name },
  ];
}

it('P4: a start beside a reader loses nothing in a power cut, even if the last fsync before it failed', (test) => {
  requireTools(test, 'gcc');
  const ledger = join(testFolder(), 'orders.db');
  let found: unknown;
  const writes = recordRun(ledger, ['fails a sync', 'replays'], (phase) => {
    if (phase === 'replays') return;
    // A reader sees what recovery found in the memory of the system, and keeps reading.
    const reader = new Database(ledger, { readonly: true });
    onTestFinished(() => void reader.close());
    reader.exec('BEGIN');
    found = reader.prepare('SELECT count(*) FROM allocations').pluck().get();
  });
  expect(found).toBe(9);
  const files = new Files();
  const disk = new PowerCut();
  for (const write of writes) {
    files.apply(write);
    disk.apply(write);
  }
  const told = toldIn(files);
  expect(told.size).toBe(109);
  // Nothing unsynced survives.
  expect(openingOf(disk.cut(() => 0).putInto(join(testFolder(), 'cut')), told)).toBe('whole');
});

/** The numbers of the backups that existed by then. */
function backupsIn(files: Files): string[] {
  return [...(files.get('.told') ?? '').toString().matchAll(/^backup (\d+)$/gm)].map((match) => match[1]!);
}

/** Numbers from 0 to 1, the same each time. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
