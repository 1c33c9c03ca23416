import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { readCsv } from '../../../../src/cli/import/import-csv.ts';
import { readDynamodb } from '../../../../src/cli/import/import-dynamodb.ts';
import { INT64_MAX } from '../../../../src/core/allocation.ts';
import { LedgerRefused } from '../../../../src/core/errors.ts';
import type { ImportedStore, StoreSink } from '../../../../src/core/move/imported-store.ts';
import { printText, textsOf } from '../corpus.ts';
import type { FuzzTarget } from '../fuzzer.ts';
import { mutateJson } from '../mutate/json.ts';
import { mutateText } from '../mutate/text.ts';

const CSV_WORDS = ['store_id', 'next_number', 'store_id,next_number', '7,100', '"7"', '""', ',,', '\n', '\r\n'];
const ITEM_NAMES = ['StoreID', 'OrderNumber', 'OrderID', 'N', 'S', 'Item', 'Items', '{"N":"7"}'];
const MAX_LINES = 22;

/** A CSV file of counters. */
export function csvTarget(folder: string): FuzzTarget<string> {
  const place = placesIn(folder, 'fuzzed.csv');
  return {
    name: 'CSV file',
    seeds: textsOf('csv-files'),
    mutate: (input, other, random) => mutateText(input, other, random, CSV_WORDS),
    print: (input) => `- ${printText(input)}`,
    async check(input) {
      const first = await imported(place(), input, readCsvAt);
      if (typeof first === 'string') return first;
      const again = ['store_id,next_number', ...Array.from(first.stores, ([id, next]) => `${id},${next}`), ''];
      return sameStores(first, await imported(place(), again.join('\n'), readCsvAt));
    },
  };
}

/** A table of the original sample as DynamoDB exports it, compressed or not. */
export function dynamodbTarget(folder: string): FuzzTarget<string> {
  const place = placesIn(folder, 'fuzzed.json');
  return {
    name: 'DynamoDB file',
    seeds: textsOf('dynamodb-files'),
    mutate(input, other, random) {
      const lines = input.split('\n');
      const at = random.below(lines.length);
      return lines.with(at, mutateJson(lines[at]!, random.pick(other.split('\n')), random, ITEM_NAMES)).join('\n');
    },
    print: (input) => `- ${printText(input)}`,
    async check(input) {
      const first = await imported(place(), input, readDynamodbAt);
      const packed = await imported(place(), gzipSync(input), readDynamodbAt);
      if (typeof first === 'string') {
        if (packed !== first) throw new Error('it is refused, and taken when it is compressed');
        return first;
      }
      return sameStores(first, packed);
    },
  };
}

/** A few files in turn, because the inputs of a chunk are read at the same time. */
function placesIn(folder: string, name: string): () => string {
  let next = 0;
  return () => join(folder, `${next++ % 256}-${name}`);
}

async function readCsvAt(path: string, sink: StoreSink): Promise<void> {
  await readCsv(path, sink, { signal: new AbortController().signal, onProgress() {} });
}

async function readDynamodbAt(path: string, stores: StoreSink): Promise<void> {
  const reading = { signal: new AbortController().signal, onProgress() {} };
  const next = await readDynamodb([path], { isWhole: true, stores }, reading);
  if (next < 1n || next > INT64_MAX) throw new TypeError(`the next order_id is ${next}`);
}

/** The stores of a file, or why it is refused. */
async function imported(
  path: string,
  content: string | Buffer,
  read: (path: string, sink: StoreSink) => Promise<void>,
): Promise<Sink | string> {
  writeFileSync(path, content);
  const sink = new Sink();
  try {
    await read(path, sink);
    return sink;
  } catch (error) {
    if (!(error instanceof LedgerRefused)) throw error;
    const lines = error.message.split('\n');
    if (lines.length > MAX_LINES) throw new TypeError('the refusal has too many lines', { cause: error });
    return (lines[1] ?? lines[0]!).replaceAll(/".*"|[\d/][^ ]*/g, '#').slice(0, 80);
  }
}

class Sink implements StoreSink {
  readonly stores = new Map<bigint, bigint>();

  add({ storeId, nextNumber }: ImportedStore): number | undefined {
    for (const number of [storeId, nextNumber]) {
      if (number < 1n || number > INT64_MAX) throw new TypeError(`a store has the number ${number}`);
    }
    if (this.stores.has(storeId)) return 1;
    this.stores.set(storeId, nextNumber);
    return undefined;
  }
}

function sameStores(first: Sink, again: Sink | string): string {
  const isSame = typeof again !== 'string' && [...first.stores].join(' ') === [...again.stores].join(' ');
  if (!isSame) throw new TypeError('it has other stores when it is written again');
  return `stores: ${first.stores.size > 3 ? 'many' : first.stores.size}`;
}
