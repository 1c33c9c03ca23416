import * as fc from 'fast-check';
import { expect, it } from 'vitest';
import { INT64_MAX } from '../../../../src/core/allocation.ts';
import { entryItem, genesisItem, toEntry, toGenesis } from '../../../../src/engines/dynamodb/log/entry-item.ts';
import type { Item } from '../../../../src/engines/dynamodb/table/item.ts';
import { ENTRY } from './made-entries.ts';

const NAME = 'dynamodb://orders';

it('P1 P2 P5: an entry is read as it was written, whatever its numbers, affixes and request_ids are', () => {
  fc.assert(
    fc.property(ENTRY, (entry) => {
      expect(toEntry(entryItem(entry), entry.position)).toEqual(entry);
    }),
  );
});

it('declared losses are read as they were declared', () => {
  const loss = { storeId: INT64_MAX, first: 1n, last: INT64_MAX, declareTimeMs: 5n };
  fc.assert(
    fc.property(ENTRY, (entry) => {
      const losses = [loss, { ...loss, storeId: undefined, first: INT64_MAX }];
      expect(toEntry(entryItem({ ...entry, losses }), entry.position).losses).toEqual(losses);
    }),
    { numRuns: 5 },
  );
});

it('a genesis is read as it was written, and one of a later format is refused', () => {
  const genesis = { ledgerId: crypto.randomUUID(), firstOrderId: INT64_MAX, isMoving: true };
  expect(toGenesis(genesisItem(genesis), NAME)).toEqual(genesis);
  expect(toGenesis(genesisItem({ ...genesis, isMoving: false }), NAME)).toEqual({ ...genesis, isMoving: false });
  const item = genesisItem(genesis);
  const later: Item = { ...item, attributes: { ...item.attributes, format: 2n } };
  expect(() => toGenesis(later, NAME)).toThrow(`the log of ${NAME} has format 2, and this release reads format 1; use`);
});

it.each([
  ['no body', { body: undefined }],
  ['a body that is no JSON', { body: '{' }],
  ['a row of a store that it does not have', { body: '{"stores":[],"callers":[""],"rows":"0,0,1,0 r"}' }],
  ['a number that is a text', { last_order_id: '5' }],
  ['no batch id', { batch: undefined }],
])('an entry with %s is damaged, by its position', (_, changes) => {
  const [entry] = fc.sample(ENTRY, { numRuns: 1, seed: 1 });
  const item = entryItem({ ...entry!, position: 7 });
  const attributes = Object.entries({ ...item.attributes, ...changes }).filter(([, value]) => value !== undefined);
  expect(() => toEntry({ ...item, attributes: Object.fromEntries(attributes) as Item['attributes'] }, 7)).toThrow(
    'the ledger is damaged: entry 7 of its log cannot be read',
  );
});
