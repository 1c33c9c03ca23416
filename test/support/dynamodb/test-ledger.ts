import { onTestFinished } from 'vitest';
import type { DynamodbLedger } from '../../../src/engines/dynamodb/dynamodb-ledger.ts';
import type { TestLedger } from '../engines/engine-suite.ts';
import { setCounters, withTable } from './log-access.ts';
import { OpenedLedger } from './opened-ledger.ts';

/** A ledger of the engine suite, in a table that is new. */
export function testLedger(newUrl: () => Promise<string>, autoCreateStores: boolean): TestLedger {
  let url: string | undefined;
  let ledger: DynamodbLedger | undefined;
  onTestFinished(() => ledger?.close());
  const open = async () => {
    url ??= await newUrl();
    const opened = new OpenedLedger(url, autoCreateStores);
    await opened.ledger.ready();
    return opened.ledger;
  };
  return {
    async open(counters) {
      // There is nothing to set before the log begins.
      if (counters) ledger ??= await open();
      await ledger?.close();
      if (counters && url !== undefined) await withTable(url, (table) => setCounters(table, counters));
      ledger = await open();
      return ledger;
    },
  };
}
