import type { Random } from '../frame/random.ts';
import type { End } from './lives.ts';
import type { ServerPoint, TablePoint } from './server/points.ts';
import type { Beginning } from './rounds.ts';
import { BACKUP_POINTS, CALL_POINTS } from './server/points.ts';
import type { CallPoint } from './server/shim.ts';
import { CALLS } from './server/shim.ts';

/** A ledger that is new, and one that an older release has filled: the first server upgrades it. */
export function beginning(ledger: number): Beginning {
  if (ledger % 2 === 1) return { isVersion1: true, ends: [at('in a migration', 1), at('after a migration', 1)] };
  return {
    ends: [
      at('in a migration', 1),
      // The first migration has been committed by then, and the next life upgrades an empty ledger.
      at('in a migration', 2),
      at('in a migration', 1),
      at('after a migration', 1),
    ],
  };
}

export function at(point: ServerPoint, nth: number): End {
  return { at: 'a point', point, nth };
}

/** How many times a server passes a point before it is killed there, at most: a start passes once. */
const MOST: Readonly<Record<Exclude<ServerPoint, 'in a migration' | 'after a migration' | TablePoint>, number>> = {
  decoded: 300,
  queued: 200,
  'batch formed': 60,
  'before the replies': 60,
  'half the replies': 30,
  'before BEGIN': 60,
  'after BEGIN': 60,
  'mid-inserts': 3000,
  'before COMMIT': 60,
  'after COMMIT': 60,
  'before a pass of a checkpoint': 3,
  'after a pass of a checkpoint': 3,
  'before a checkpoint is recorded': 3,
  'before the recovery': 1,
  'after the recovery': 1,
  'when it has opened': 1,
};

/** The same of writes to DynamoDB: the mark is raised ten times a second. */
const MOST_WRITES: Readonly<Record<TablePoint, number>> = {
  'before the put of the log': 60,
  'after the put of the log': 60,
  'before derived items': 150,
  'after derived items': 150,
  'before the mark is raised': 10,
  'after the mark is raised': 10,
};

/** The same of system calls: the WAL is written for each page of a commit, and emptied twice by a start. */
const MOST_CALLS: Readonly<Record<CallPoint, number>> = {
  'between two frames of the WAL': 400,
  'in a frame of the WAL': 400,
  'before the fsync of the WAL': 60,
  'after the fsync of the WAL': 60,
  'before the WAL is emptied': 2,
  'after the WAL is emptied': 2,
  'in a checkpoint': 100,
  'before the fsync of the database': 6,
  'after the fsync of the database': 6,
  'before a write of the mark': 60,
  'after a write of the mark': 60,
  'before the fsync of the mark': 2,
};

/** A random instant is this many milliseconds after an answer, at most. */
const MOST_MS = 20;
/** A backup has copied this many pages, at most, of a ledger that has more. */
const MOST_PAGES = 8;

/** In turn, so that every point has its share, each at a random time. */
export function pointEnd(life: number, random: Random): End {
  const points = Object.keys(MOST) as (keyof typeof MOST)[];
  const point = points[life % points.length]!;
  return at(point, random.between(1, MOST[point]));
}

/** The points that exist on every engine. */
export function callEnd(life: number, random: Random): End {
  const point = CALL_POINTS[life % CALL_POINTS.length]!;
  return at(point, random.between(1, MOST[point]));
}

/** The points of a ledger on DynamoDB: of a call, and of its writes. */
export function tableEnd(life: number, random: Random): End {
  const writes = Object.keys(MOST_WRITES) as TablePoint[];
  if (life % 2 === 1) return callEnd(Math.floor(life / 2), random);
  const point = writes[Math.floor(life / 2) % writes.length]!;
  return at(point, random.between(1, MOST_WRITES[point]));
}

export function systemCallEnd(life: number, random: Random, library: string): End {
  const points = Object.keys(CALLS) as CallPoint[];
  const point = points[life % points.length]!;
  return { at: 'a system call', point, nth: random.between(1, MOST_CALLS[point]), library };
}

export function instantEnd(random: Random, mostAnswers: number): End {
  return { at: 'a random instant', answers: random.between(1, mostAnswers), ms: random.between(0, MOST_MS) };
}

export function backupEnd(life: number, random: Random): End {
  const point = BACKUP_POINTS[life % BACKUP_POINTS.length]!;
  const nth = point === 'in a backup' ? random.between(1, MOST_PAGES) : 1;
  return { at: 'a backup', point, nth, victim: life % 4 < 2 ? 'the server' : 'the backup' };
}
