import { onTestFinished } from 'vitest';
import { ANY_LEDGER } from '../../../src/core/expected-ledger.ts';
import { newClient } from '../../../src/engines/dynamodb/connection/client.ts';
import { parseDynamodbUrl } from '../../../src/engines/dynamodb/connection/dynamodb-url.ts';
import { DynamodbLedger } from '../../../src/engines/dynamodb/dynamodb-ledger.ts';
import { TableAdmin } from '../../../src/engines/dynamodb/table/table-admin.ts';
import { Table } from '../../../src/engines/dynamodb/table/table.ts';
import { setCounters } from '../../support/dynamodb/log-access.ts';
import { newTableUrl } from '../../support/dynamodb/dynalite.ts';
import type { TestLedger } from '../../support/engines/engine-suite.ts';
import { engineSuite } from '../../support/engines/engine-suite.ts';

const QUIET = { opened() {}, waiting() {}, failed() {}, lost() {}, warning() {}, transaction() {} };

engineSuite('DynamoDB', (autoCreateStores): TestLedger => {
  let place: { readonly table: Table; readonly admin: TableAdmin; readonly name: string } | undefined;
  let ledger: DynamodbLedger | undefined;
  onTestFinished(() => ledger?.close());
  const openLedger = async (): Promise<DynamodbLedger> => {
    place ??= await newPlace();
    const opened = new DynamodbLedger({ ...place, expected: ANY_LEDGER }, autoCreateStores, QUIET);
    await opened.ready();
    return opened;
  };
  return {
    async open(counters) {
      // There is nothing to set before the log begins.
      if (counters) ledger ??= await openLedger();
      await ledger?.close();
      if (counters && place) await setCounters(place.table, counters);
      ledger = await openLedger();
      return ledger;
    },
  };
});

async function newPlace() {
  const url = parseDynamodbUrl(await newTableUrl());
  const client = newClient(url);
  onTestFinished(() => client.destroy());
  return { table: new Table(client, url.table), admin: new TableAdmin(client, url.table), name: url.name };
}
