import { stat } from 'node:fs/promises';
import type { LedgerFiles } from '../file/ledger-files.ts';

/** In bytes. */
export interface FileSizes {
  readonly database: number;
  readonly wal: number;
}

export async function fileSizes(files: LedgerFiles): Promise<FileSizes> {
  const [database, wal] = await Promise.all([stat(files.database), stat(files.wal).catch(() => ({ size: 0 }))]);
  return { database: database.size, wal: wal.size };
}
