import type { DynamodbResult } from '../measurements/dynamodb.ts';
import type { Section, Target } from './section.ts';
import { range, target, whole } from './section.ts';

export function dynamodbSections({ rounds, levels, writeUnits, orders }: DynamodbResult): Section[] {
  const rates = levels.map(({ inFlight, counters, ledger, ledgerToCounters }) => {
    return [String(inFlight), range(counters, 0), range(ledger, 0), range(ledgerToCounters)];
  });
  const units = writeUnits.map(({ batch, oneStore, manyStores }) => {
    return [String(batch), oneStore.toFixed(2), manyStores.toFixed(2), '2.00'];
  });
  return [
    {
      title: "DynamoDB: the ledger and the sample's two counters, on one dynalite",
      table: { head: ['in flight', 'counters /s', 'ledger /s', 'ledger / counters'], rows: rates },
      notes: [
        `dynalite is one process on the same cores, with its tables on disk; medians of ${rounds} rounds. The counters have ` +
          `holes after a crash and know no retries. No hole and no repeat in ${whole(orders)} orders of the ledger.`,
      ],
    },
    {
      title: 'DynamoDB: write units of an order',
      table: { head: ['orders in a batch', 'one store', '100 stores, or one per order', 'counters'], rows: units },
      notes: [
        'As ReturnConsumedCapacity says, with all derived items, for stores that exist and UUIDs as request_ids.',
      ],
    },
  ];
}

export function dynamodbTargets({ levels, writeUnits }: DynamodbResult): Target[] {
  const ratio = (at: number) => levels.find(({ inFlight }) => inFlight === at)?.ledgerToCounters.median ?? Number.NaN;
  const hundred = writeUnits.find(({ batch }) => batch === 100);
  return [
    target('DynamoDB ledger / counters, 64 in flight', ratio(64), { atLeast: 2 }),
    target('DynamoDB ledger / counters, 400 in flight', ratio(400), { atLeast: 3 }),
    target('write units of an order, batches of 100 in one store', hundred?.oneStore ?? Number.NaN, { atMost: 1.3 }),
    target('write units of an order, batches of 100 over 100 stores', hundred?.manyStores ?? Number.NaN, {
      atMost: 2.3,
    }),
  ];
}
