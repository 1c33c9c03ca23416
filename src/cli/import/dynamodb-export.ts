import { readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { LedgerRefused, messageOf } from '../../core/errors.ts';
import { parseJson } from '../../core/text/json-text.ts';

/** One data file of a table. */
export interface TableFile {
  readonly path: string;
  /** How many items it has, if a manifest says so. */
  readonly itemCount: number | undefined;
}

/** All data files of a table. */
export interface TableFiles {
  readonly files: readonly TableFile[];
  /** Whether a manifest says that these are all of them. */
  readonly isComplete: boolean;
}

/** What DynamoDB writes beside the data of an export to S3, one object per data file. */
const FILES_MANIFEST = 'manifest-files.json';
const SUMMARY_MANIFEST = 'manifest-summary.json';
/** How many missing files are named. */
const MAX_SHOWN = 5;

/**
 * Finds the files of a table at these paths, each a file or the folder of an export. If the manifest of the export is
 * where the export put it, every file that it lists must be among them. Throws LedgerRefused for a partial table.
 */
export function findTable(paths: readonly string[]): TableFiles {
  const found = paths.flatMap((path) => (isFolder(path) ? filesOfExport(path) : [requireFile(path)]));
  const files = [...new Set(found.map((path) => realpathSync(path)))];
  if (files.length < found.length) throw new LedgerRefused('nothing was imported: a file is given twice');
  const manifests = new Set(files.flatMap((path) => [dirname(dirname(path)), dirname(path)]));
  const counts = new Map<string, number>();
  let used = 0;
  for (const folder of manifests) {
    const manifest = join(folder, FILES_MANIFEST);
    if (!isFile(manifest)) continue;
    const listed = namesOf(manifest);
    // Its data is in a folder beside it, or was copied to the same one.
    const given = files.filter(
      (path) => [dirname(path), dirname(dirname(path))].includes(folder) && listed.has(nameOf(path)),
    );
    if (given.length === 0) continue;
    used++;
    requireAll(manifest, listed, given);
    for (const path of given) counts.set(path, listed.get(nameOf(path))!);
  }
  return {
    files: files.map((path) => ({ path, itemCount: counts.get(path) })),
    isComplete: used === 1 && counts.size === files.length,
  };
}

/** The data files in a folder: an export's own, its data folder, or a folder with exports. */
function filesOfExport(folder: string): string[] {
  const all = join(folder, 'AWSDynamoDB');
  if (isFolder(all)) {
    const exported = readdirSync(all).filter((name) => isFolder(join(all, name, 'data')));
    if (exported.length === 1) return filesOfExport(join(all, exported[0]!));
    throw new LedgerRefused(
      `nothing was imported: ${all} has ${exported.length} exports: give the folder of one, such as ${join(all, '01700000000000-0a1b2c3d')}`,
    );
  }
  const data = isFolder(join(folder, 'data')) ? join(folder, 'data') : folder;
  const names = readdirSync(data).filter((name) => /\.json(\.gz)?$/.test(name) && !name.startsWith('manifest-'));
  if (names.length > 0) return names.toSorted().map((name) => join(data, name));
  throw new LedgerRefused(`nothing was imported: ${data} has no .json or .json.gz file: give the folder of an export`);
}

/** Throws LedgerRefused if a file that the manifest lists is not among the given ones. */
function requireAll(manifest: string, listed: ReadonlyMap<string, number>, given: readonly string[]): void {
  const names = new Set(given.map(nameOf));
  const missing = [...listed.keys()].filter((name) => !names.has(name));
  if (missing.length > 0) {
    const more = missing.length > MAX_SHOWN ? ` and ${missing.length - MAX_SHOWN} more` : '';
    throw new LedgerRefused(
      `nothing was imported: this is only a part of the table: its manifest ${manifest} lists ${listed.size} data files; ` +
        `missing: ${missing.slice(0, MAX_SHOWN).join(', ')}${more}: give all of them, or the folder of the export`,
    );
  }
  requireTotal(join(dirname(manifest), SUMMARY_MANIFEST), [...listed.values()]);
}

/** The name of a data file, whether compressed or not. */
function nameOf(path: string): string {
  return basename(path).replace(/\.gz$/, '');
}

/** Checks the manifest, which may be truncated, against the number of items in the summary. */
function requireTotal(summary: string, counts: readonly number[]): void {
  if (!isFile(summary)) return;
  const all = Number(parse(summary, readFileSync(summary, 'utf8'))['itemCount']);
  const sum = counts.reduce((total, count) => total + count, 0);
  if (all === sum) return;
  throw new LedgerRefused(
    `nothing was imported: ${summary} counts ${all} items, but the data files listed beside it have ${sum}: copy ` +
      'the export again',
  );
}

/** The data files that a manifest lists, by their own names, with their numbers of items. */
function namesOf(manifest: string): Map<string, number> {
  const lines = readFileSync(manifest, 'utf8').split('\n');
  return new Map(
    lines
      .filter((line) => line.trim() !== '')
      .map((line) => {
        const { dataFileS3Key: key, itemCount } = parse(manifest, line);
        if (typeof key === 'string' && Number.isSafeInteger(itemCount)) return [nameOf(key), Number(itemCount)];
        throw new LedgerRefused(
          `nothing was imported: ${manifest} is not the manifest of an export: copy the export again`,
        );
      }),
  );
}

function parse(manifest: string, text: string): Readonly<Record<string, unknown>> {
  try {
    return parseJson(text) as Record<string, unknown>;
  } catch (error) {
    throw new LedgerRefused(
      `nothing was imported: the manifest ${manifest} is not JSON (${messageOf(error)}): copy the export again`,
    );
  }
}

function requireFile(path: string): string {
  if (isFile(path)) return path;
  throw new LedgerRefused(`${path} does not exist: give the file to read, or the folder of an export`);
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}
