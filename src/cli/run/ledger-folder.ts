import { mkdirSync, statSync } from 'node:fs';
import { rmdir } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { Command } from 'commander';
import { SERVE_SETTINGS } from '../../server/settings.ts';
import { LedgerRefused, messageOf } from '../../core/errors.ts';
import { engineOf } from '../../engines/location.ts';
import { shellWord } from '../view/shell-word.ts';

/**
 * Ends the program as wrong usage if the folder of a ledger is missing: usually a disk is not mounted, or the path is
 * mistyped. The default's own folder may be missing: see {@link makeDefaultFolder}.
 */
export function requireFolder(ledger: string, command: Command): void {
  const problem = folderProblem(ledger);
  if (problem !== undefined) command.error(`error: ${problem}`);
}

/** One sentence with the remedy; undefined if the folder exists, or would be created. */
export function folderProblem(ledger: string): string | undefined {
  const folder = missingFolder(ledger);
  if (folder === undefined || isDefault(folder)) return undefined;
  return (
    `the folder ${folder} of the ledger does not exist: mount its disk, correct --ledger, or create it with ` +
    `mkdir -p ${shellWord(folder)}`
  );
}

/** The default ledger's folder, if it is that ledger's and has to be created first. */
export function folderToCreate(ledger: string): string | undefined {
  const folder = missingFolder(ledger);
  return folder !== undefined && isDefault(folder) ? folder : undefined;
}

/** Creates the ledger's folder if it is missing and that of the default ledger. Rejects with LedgerRefused. */
export async function makeDefaultFolder(ledger: string): Promise<void> {
  const folder = folderToCreate(ledger);
  if (folder === undefined) return;
  const { syncFolder } = await import('../../engines/sqlite/file/fsync.ts');
  try {
    mkdirSync(folder);
    syncFolder(dirname(folder));
  } catch (error) {
    throw new LedgerRefused(
      `cannot create the folder ${folder} for the ledger (${messageOf(error)}): choose a writable one with --ledger`,
    );
  }
}

/** Does the same before `work`, and removes the folder again if `work` fails and leaves it empty. */
export async function withDefaultFolder<Result>(ledger: string, work: () => Promise<Result>): Promise<Result> {
  const missing = missingFolder(ledger);
  await makeDefaultFolder(ledger);
  try {
    return await work();
  } catch (error) {
    // If it is not empty, it is in use by now.
    if (missing !== undefined) await rmdir(missing).catch(() => {});
    throw error;
  }
}

/** Undefined if it exists, or if something is wrong with it that opening the ledger will name. */
function missingFolder(ledger: string): string | undefined {
  if (engineOf(ledger) !== 'sqlite') return undefined;
  const folder = dirname(resolve(ledger));
  try {
    statSync(folder);
    return undefined;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ENOENT' ? folder : undefined;
  }
}

function isDefault(folder: string): boolean {
  return folder === dirname(resolve(SERVE_SETTINGS.ledger.default));
}
