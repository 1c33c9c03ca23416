import type { Pair } from '../history/pair.ts';
import type { LedgerBytes } from './ledger-bytes.ts';
import { flipped } from './ledger-bytes.ts';
import type { Moments } from './moments.ts';
import type { Notice } from './service.ts';

/** Damage to files of a ledger while no server has it, or a return to older ones. */
export interface DamageCase {
  /** What it is, for the page's table: several cases may have one row. */
  readonly damage: string;
  /** Tells the cases of a row apart. */
  readonly how?: string;
  bytes(moments: Moments): LedgerBytes;
  /** What callers had been told; by default everything up to the last moment. */
  given?(moments: Moments): readonly Pair[];
  /** What notices it, and in what words; nothing does if there is none. */
  readonly noticed: Readonly<Partial<Record<Notice, RegExp>>>;
  /** What is given twice if the server goes on. */
  atRisk?(moments: Moments): readonly Pair[];
  /** The same for the page. */
  readonly risk?: string;
}

const WAL_HEADER = 32;
const FRAME_HEADER = 24;
const PAGE = 4096;
const BEHIND = /ends at order_id \d+, but \d+ was already given according to its mark/;
const NOT_TOGETHER = /do not belong together/;

function since(moments: Moments, moment: 'older' | 'checkpoint'): readonly Pair[] {
  return moments.last.given.slice(moments[moment].given.length);
}

function withWal({ last }: Moments, wal: Buffer): LedgerBytes {
  return { ...last.bytes, wal };
}

/** A frame that the last commit of all wrote. */
function flippedInWal(moments: Moments, offsetInFrame: number): LedgerBytes {
  const from = moments.later.bytes.wal!.length;
  return withWal(moments, flipped(moments.last.bytes.wal!, from + offsetInFrame, 3));
}

function flippedMark(moments: Moments): Buffer {
  const mark = moments.last.bytes.mark!;
  return flipped(mark, mark.indexOf('last_order_id=') + 'last_order_id='.length + 18, 0);
}

const REFUSED: readonly DamageCase[] = [
  {
    damage: 'the WAL: a flipped bit',
    how: 'in its header',
    bytes: (moments) => withWal(moments, flipped(moments.last.bytes.wal!, 17, 2)),
    noticed: { 'refused at start': BEHIND },
  },
  {
    damage: 'the WAL: a flipped bit',
    how: 'in the header of a frame',
    bytes: (moments) => flippedInWal(moments, FRAME_HEADER - 4),
    noticed: { 'refused at start': BEHIND },
  },
  {
    damage: 'the WAL: a flipped bit',
    how: 'in a page of a frame',
    bytes: (moments) => flippedInWal(moments, FRAME_HEADER + PAGE / 2),
    noticed: { 'refused at start': BEHIND },
  },
  {
    damage: 'the WAL: truncated or deleted',
    how: 'cut off in a frame',
    bytes: (moments) => withWal(moments, moments.last.bytes.wal!.subarray(0, moments.later.bytes.wal!.length + PAGE)),
    noticed: { 'refused at start': BEHIND },
  },
  {
    damage: 'the WAL: truncated or deleted',
    how: 'cut off behind its header',
    bytes: (moments) => withWal(moments, moments.last.bytes.wal!.subarray(0, WAL_HEADER)),
    noticed: { 'refused at start': BEHIND },
  },
  {
    damage: 'the WAL: truncated or deleted',
    how: 'deleted',
    bytes: ({ last }) => ({ ...last.bytes, wal: undefined }),
    noticed: { 'refused at start': BEHIND },
  },
  {
    damage: "the WAL: another ledger's, or an older one",
    how: "another ledger's",
    bytes: (moments) => withWal(moments, moments.foreign.bytes.wal!),
    noticed: { 'refused at start': /belongs to ledger/ },
  },
  {
    damage: "the WAL: another ledger's, or an older one",
    how: 'of before the last checkpoint, beside the database of today',
    bytes: (moments) => ({ ...moments.stopped.bytes, wal: moments.checkpoint.bytes.wal }),
    noticed: { 'refused at start': /./ },
  },
  {
    damage: "the database: missing, empty or another ledger's",
    how: 'missing',
    bytes: ({ last }) => ({ ...last.bytes, database: undefined }),
    noticed: { 'refused at start': /missing or empty/ },
  },
  {
    damage: "the database: missing, empty or another ledger's",
    how: 'empty',
    bytes: ({ last }) => ({ ...last.bytes, database: Buffer.alloc(0) }),
    noticed: { 'refused at start': /missing or empty/ },
  },
  {
    damage: "the database: missing, empty or another ledger's",
    how: 'of another ledger',
    bytes: ({ stopped, foreign }) => ({ ...stopped.bytes, database: foreign.bytes.database }),
    noticed: { 'refused at start': /belongs to ledger/ },
  },
  {
    damage: 'an older copy put back, without its mark',
    how: 'the database alone, beside a newer WAL',
    bytes: ({ older, last }) => ({ ...last.bytes, database: older.bytes.database }),
    noticed: { 'refused at start': NOT_TOGETHER },
  },
  {
    damage: 'an older copy put back, without its mark',
    how: 'the database alone, the WAL removed',
    bytes: ({ older, last }) => ({ ...last.bytes, database: older.bytes.database, wal: undefined }),
    noticed: { 'refused at start': BEHIND },
  },
  {
    damage: 'an older copy put back, without its mark',
    how: 'with its WAL',
    bytes: ({ checkpoint, last }) => ({ ...checkpoint.bytes, mark: last.bytes.mark }),
    noticed: { 'refused at start': BEHIND },
  },
  {
    damage: "the mark: another ledger's",
    bytes: ({ stopped, foreign }) => ({ ...stopped.bytes, mark: foreign.bytes.mark }),
    noticed: { 'refused at start': /belongs to ledger/ },
  },
];

const TORN = { 'warned at start': /mark .* was torn/ };
const MISSING = { 'warned at start': /mark .* was missing/ };

const SERVED: readonly DamageCase[] = [
  {
    damage: "the WAL: another ledger's, with changes to stores alone, beside a stopped ledger",
    bytes: ({ stopped, foreignRestyled }) => ({ ...stopped.bytes, wal: foreignRestyled.bytes.wal }),
    noticed: { verify: /the counter of store \d+ is at/, 'a commit': /UNIQUE constraint failed/ },
    risk: 'no number: the first commit fails',
  },
  {
    damage: 'the mark: a flipped bit, or deleted',
    how: 'a flipped bit',
    bytes: (moments) => ({ ...moments.last.bytes, mark: flippedMark(moments) }),
    noticed: TORN,
  },
  {
    damage: 'the mark: a flipped bit, or deleted',
    how: 'deleted',
    bytes: ({ last }) => ({ ...last.bytes, mark: undefined }),
    noticed: MISSING,
  },
  {
    damage: 'the WAL: changes to stores missing at its end',
    noticed: {},
    bytes: ({ restyled, later }) => ({
      ...restyled.bytes,
      wal: restyled.bytes.wal!.subarray(0, later.bytes.wal!.length),
    }),
    given: ({ restyled }) => restyled.given,
    risk: 'no number, but the settings of these stores',
  },
  {
    damage: 'an older copy put back, and the mark damaged or deleted',
    how: 'deleted',
    bytes: ({ older }) => ({ ...older.bytes, mark: undefined }),
    noticed: MISSING,
    atRisk: (moments) => since(moments, 'older'),
    risk: 'all numbers given since that copy',
  },
  {
    damage: 'an older copy put back, and the mark damaged or deleted',
    how: 'damaged, and the end of the WAL lost',
    bytes: (moments) => ({ ...moments.checkpoint.bytes, mark: flippedMark(moments) }),
    noticed: TORN,
    atRisk: (moments) => since(moments, 'checkpoint'),
    risk: 'all numbers given since that copy',
  },
  {
    damage: 'an older copy put back with its own mark, such as a volume snapshot',
    noticed: {},
    bytes: ({ checkpoint }) => checkpoint.bytes,
    atRisk: (moments) => since(moments, 'checkpoint'),
    risk: 'all numbers given since the snapshot',
  },
  {
    damage: 'a power cut, and a disk that loses what it had acknowledged',
    how: 'the mark is where the last checkpoint put it on disk',
    noticed: {},
    bytes: ({ checkpoint, last }) => ({ ...last.bytes, wal: checkpoint.bytes.wal, mark: checkpoint.bytes.mark }),
    atRisk: (moments) => since(moments, 'checkpoint'),
    risk: 'numbers given since the last checkpoint; an older loss is refused',
  },
];

export const CASES: readonly DamageCase[] = [...REFUSED, ...SERVED];
