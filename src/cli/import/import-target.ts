import { resolve } from 'node:path';
import type {
  ChangeListener,
  ImportedCounters,
  ImportSummary,
  ProgressListener,
} from '../../core/move/imported-counters.ts';
import { withSdk } from '../../engines/dynamodb/connection/sdk.ts';
import { engineOf } from '../../engines/location.ts';
import { importCounters, planImport } from '../../engines/sqlite/operator/import-counters.ts';
import { makeDefaultFolder } from '../run/ledger-folder.ts';

/** A ledger that counters are imported into. */
export interface ImportTarget {
  /** The same in every folder. */
  readonly name: string;
  /** What {@link write} would do, store by store. Writes and creates nothing. Rejects with LedgerRefused as that would. */
  plan(counters: ImportedCounters, onChange: ChangeListener): Promise<ImportSummary>;
  /** Creates what needs a right of its own: without it, an old shop should go on. */
  prepare(onWaiting: (why: string) => void): Promise<void>;
  write(counters: ImportedCounters, onProgress: ProgressListener): Promise<ImportSummary>;
  close(): void;
}

export async function openImportTarget(ledger: string): Promise<ImportTarget> {
  if (engineOf(ledger) === 'sqlite') return fileTarget(ledger);
  const { CountersImport } = await withSdk(() => import('../../engines/dynamodb/operator/import-counters.ts'));
  const target = new CountersImport(ledger);
  return {
    name: ledger,
    plan: (counters, onChange) => target.plan(counters, onChange),
    prepare: (onWaiting) => target.createTable(onWaiting),
    write: (counters, onProgress) => target.write(counters, onProgress),
    close: () => target.close(),
  };
}

function fileTarget(path: string): ImportTarget {
  return {
    name: resolve(path),
    plan: async (counters, onChange) => planImport(path, counters, onChange),
    prepare: () => makeDefaultFolder(path),
    write: async (counters, onProgress) => importCounters(path, counters, onProgress),
    close: () => {},
  };
}
