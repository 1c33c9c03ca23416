import { accessSync, constants, existsSync } from 'node:fs';
import { LedgerRefused, messageOf } from '../../../core/errors.ts';
import type { ExpectedLedger } from '../../../core/expected-ledger.ts';
import { mayCreate, notCreated, requireExpectedId } from '../../../core/expected-ledger.ts';
import type { LedgerLook, LedgerSettings } from '../../engine.ts';
import { expectedLedger } from '../../engine.ts';
import { inUse, isFenced } from '../file/fence.ts';
import type { Mark } from '../file/high-water-mark.ts';
import { readBase, readMark } from '../file/high-water-mark.ts';
import type { LedgerFiles } from '../file/ledger-files.ts';
import { locateLedger } from '../file/ledger-files.ts';
import { movedAway } from '../file/ledger-row.ts';
import { placeOf } from '../../../core/move/place.ts';
import { requireWritable } from '../file/owner.ts';
import { requireKnownVersion, requireOurs, upgradeOf } from '../file/schema.ts';
import { readWalHeader } from '../file/wal-file.ts';
import type { DatabaseFile } from '../recovery/immutable-database.ts';
import { lookWithoutWal } from '../recovery/database-without-wal.ts';
import { checkBeforeOpening, damaged, isEmptyFile, missing, requireNotBehind } from '../recovery/opening-check.ts';

/** What is added to while the files are looked at, one sentence each. */
interface Notes {
  readonly problems: string[];
  readonly warnings: string[];
  readonly notChecked: string[];
}

/** What the files say about their ledger, as far as they say it. */
type Seen = Partial<Mark & { readonly found: string }>;

/**
 * Looks at the ledger in the SQLite file that the settings name, as a start would, but opens nothing: SQLite writes to
 * the -shm file for each reader, and may move a WAL. So the content of a WAL is not read; the mark stands in for it.
 */
export async function lookAtFile(settings: LedgerSettings): Promise<LedgerLook> {
  const notes: Notes = { problems: [], warnings: [], notChecked: [] };
  let seen: Seen | undefined;
  collect(notes, () => {
    const files = locateLedger(settings.ledger);
    for (const path of Object.values(files)) collect(notes, () => requireWritable(path));
    for (const path of [files.database, files.mark]) if (existsSync(path)) accessSync(path, constants.R_OK);
    if (isFenced(files)) notes.problems.push(inUse(files).message);
    seen = lookAt(files, expectedLedger(settings), notes);
  });
  // Several files may lack the same right, and have the same remedy.
  const remedies = notes.problems.map((text) => text.slice(text.lastIndexOf(';')));
  const problems = notes.problems.filter((_, i) => remedies.indexOf(remedies[i]!) === i);
  return { ...notes, problems, found: seen?.found, ledgerId: seen?.ledgerId, lastOrderId: seen?.lastOrderId };
}

function collect({ problems }: Notes, look: () => void): void {
  try {
    look();
  } catch (error) {
    if (error instanceof LedgerRefused) problems.push(error.message);
    else problems.push(`the ledger cannot be read (${messageOf(error)}); check its owner and its mode`);
  }
}

/** Throws LedgerRefused if a start would. */
function lookAt(files: LedgerFiles, expected: ExpectedLedger, notes: Notes): Seen {
  const file = fileAt(files);
  const mark = readMark(files.mark);
  const hasWal = readWalHeader(files.wal) !== undefined;
  if (file === undefined && !hasWal) {
    if (mark !== undefined) throw missing(files);
    if (!mayCreate(expected)) throw notCreated(files.database, expected);
    return { found: `${files.database} would be created: a new ledger, which numbers from order_id 1` };
  }
  if (typeof file === 'object') requireUsable(files, file);
  if (hasWal) notes.notChecked.push(`whether ${files.wal} belongs to the database, which only a start can tell`);
  const known = mark === 'torn' ? undefined : mark;
  const end = hasWal ? endBehindWal(files, file, known) : endOf(files, file, known);
  if (mark === undefined || mark === 'torn') notes.warnings.push(withoutMark(files, mark));
  if (end === undefined) return {};
  requireExpectedId(files.database, end.ledgerId, expected);
  const { ledgerId, lastOrderId } = end;
  const source = hasWal ? (lastOrderId === known?.lastOrderId ? ' according to its mark' : ' at least') : '';
  const found = `${files.database} has ledger ${ledgerId}, whose last order_id is ${lastOrderId}${source}${upgrade(file)}`;
  return { ledgerId, lastOrderId, found };
}

/** Undefined if there is nothing in the file. */
function fileAt(files: LedgerFiles): DatabaseFile | 'unreadable' | undefined {
  // It opens nothing then, and refuses what is left of a ledger.
  if (isEmptyFile(files)) return void checkBeforeOpening(files, 'served');
  const file = lookWithoutWal(files.database);
  return typeof file === 'object' && file.isEmpty ? undefined : file;
}

/** The end of a ledger that is all in its one file. */
function endOf(files: LedgerFiles, file: DatabaseFile | 'unreadable' | undefined, mark: Mark | undefined): Mark {
  const end = endIn(file);
  if (!end) throw damaged(files.database);
  for (const witness of [mark, readBase(files.mark)]) if (witness) requireNotBehind(files, witness, end);
  return end;
}

/**
 * The end as far as it is known without the WAL, which may have all of the file as well: then only the mark knows it.
 */
function endBehindWal(
  files: LedgerFiles,
  file: DatabaseFile | 'unreadable' | undefined,
  mark: Mark | undefined,
): Mark | undefined {
  const alone = endIn(file);
  if (alone && mark) requireNotBehind(files, { ...mark, lastOrderId: 0n }, alone);
  if (!alone || !mark) return alone ?? mark;
  return mark.lastOrderId > alone.lastOrderId ? mark : alone;
}

function endIn(file: DatabaseFile | 'unreadable' | undefined): Mark | undefined {
  const content = typeof file === 'object' ? file.content : undefined;
  if (typeof content !== 'object') return undefined;
  return { ledgerId: content.ledgerId, lastOrderId: BigInt(content.lastOrderId) };
}

function requireUsable({ database }: LedgerFiles, { applicationId, schemaVersion, sealedTo }: DatabaseFile): void {
  requireOurs(database, applicationId);
  requireKnownVersion(database, schemaVersion);
  if (sealedTo !== null) throw movedAway(database, placeOf(sealedTo), 'serve that one');
}

function withoutMark({ mark }: LedgerFiles, state: 'torn' | undefined): string {
  return (
    `the high-water mark ${mark} is ${state ?? 'missing'} and would be rewritten, so an older copy could not be detected; ` +
    'if this is a backup, restore it with order-numbers restore --continue-above ORDER_ID'
  );
}

function upgrade(file: DatabaseFile | 'unreadable' | undefined): string {
  if (typeof file !== 'object') return '';
  const version = upgradeOf(file.schemaVersion);
  return version === undefined ? '' : `; its schema would be upgraded from version ${file.schemaVersion} to ${version}`;
}
