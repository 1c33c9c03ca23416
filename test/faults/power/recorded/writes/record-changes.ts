import { TOLD } from './folder-state.ts';
import type { RecordedWrite } from './record-writes.ts';

// Negative controls: what a record would be if the engine had left out one of its precautions.

const WAL = 'orders.db-wal';
const MARK = 'orders.db.mark';

type RecordChange = (writes: readonly RecordedWrite[]) => readonly RecordedWrite[];

export const RECORD_CHANGES = {
  'the WAL is never synced': without('sync', WAL),
  'the database is never synced': without('sync', 'orders.db'),
  'the mark is never synced': without('sync', MARK),
  'the folder is never synced': without('sync', '.'),
  'the mark is written before the commit': markFirst,
  'the mark is never written': (writes) =>
    writes.filter(({ kind, name }) => name !== MARK || (kind !== 'write' && kind !== 'truncate')),
  'a new file is never synced': (writes) => writes.filter(({ kind, name }) => kind !== 'sync' || name === '.'),
} as const satisfies Readonly<Record<string, RecordChange>>;

export type RecordChangeName = keyof typeof RECORD_CHANGES;

function without(kind: RecordedWrite['kind'], name: string): RecordChange {
  return (writes) => writes.filter((write) => write.kind !== kind || write.name !== name);
}

/** Each mark comes before the frames of the commit that it speaks of. */
function markFirst(writes: readonly RecordedWrite[]): readonly RecordedWrite[] {
  const result: RecordedWrite[] = [];
  /** Where the frames of the last commit begin, once something was told. */
  let begin: number | undefined;
  for (const write of writes) {
    if (write.name === TOLD && write.kind === 'write') begin = result.length + 1;
    if (begin !== undefined && write.kind === 'write' && write.name === MARK) result.splice(begin, 0, write);
    else result.push(write);
  }
  return result;
}
