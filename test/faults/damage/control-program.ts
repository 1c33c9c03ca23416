import { takeFence } from '../../../src/engines/sqlite/file/fence.ts';
import { locateLedger } from '../../../src/engines/sqlite/file/ledger-files.ts';
import { Writer } from '../../../src/engines/sqlite/threads/writer.ts';
import { commit } from './giving-ledger.ts';

// A program: it serves the ledger at the path that it is given and prints, as JSON, the pairs of some new requests.

const files = locateLedger(process.argv[2]!);
const fence = takeFence(files);
const writer = new Writer({ files, autoCreateStores: true, expected: undefined, lock: fence.identity });
writer.open({ atStart: true });
const requests = [1n, 2n, 3n].map((storeId) => ({ storeId, requestId: `after-${storeId}`, count: 1, caller: '' }));
const pairs = commit(writer, requests);
writer.close();
fence.release();
process.stdout.write(JSON.stringify(pairs, (_, value: unknown) => (typeof value === 'bigint' ? `${value}n` : value)));
