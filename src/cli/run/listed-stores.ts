import type { ImportedStore } from '../../core/move/imported-store.ts';
import { ImportStaging } from '../../engines/sqlite/operator/import-staging.ts';
import { readCsv } from '../import/import-csv.ts';
import type { OperatorContext } from './operator-command.ts';

/**
 * Runs `work` with the stores in the CSV file of --stores, or with none if it is not given. `refusal` begins the message
 * if the file has a problem.
 */
export async function withListedStores<Result>(
  path: string | undefined,
  refusal: string,
  { signal, bar }: OperatorContext,
  work: (stores: Iterable<ImportedStore>) => Promise<Result>,
): Promise<Result> {
  const staging = new ImportStaging();
  try {
    if (path !== undefined) {
      const onProgress = (done: number, all: number) => bar?.update('reading', done, all);
      await readCsv(path, staging, { signal, onProgress, refusal });
      bar?.stop();
    }
    return await work(staging);
  } finally {
    staging.close();
  }
}
