import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { checkpoint } from '../../../../src/engines/sqlite/file/checkpoint.ts';
import { openWriteConnection } from '../../../../src/engines/sqlite/file/connection.ts';
import { takeFence } from '../../../../src/engines/sqlite/file/fence.ts';
import { locateLedger } from '../../../../src/engines/sqlite/file/ledger-files.ts';
import { packRequests } from '../../../../src/engines/sqlite/threads/packed-batch.ts';
import { Writer } from '../../../../src/engines/sqlite/threads/writer.ts';
import { testFolder } from '../../../support/processes/server-process.ts';

/** A writer whose database has one order; a copy of it, before a checkpoint moved more orders there, is at `older`. */
function checkpointedLedger() {
  const files = locateLedger(join(testFolder(), 'orders.db'));
  const fence = takeFence(files);
  const writer = new Writer({ files, autoCreateStores: true, expected: undefined, lock: fence.identity });
  onTestFinished(() => {
    writer.close();
    fence.release();
  });
  writer.open({ atStart: true });
  const commit = (requestId: string) => {
    return writer.commit(packRequests([{ storeId: 7n, requestId, count: 1, caller: '' }])).lastOrderId;
  };
  const checkpointAll = () => {
    writer.beginPass();
    writer.finishCheckpoint();
  };
  commit('a');
  checkpointAll();
  const older = `${files.database}.older`;
  copyFileSync(files.database, older);
  for (const requestId of ['b', 'c', 'd']) commit(requestId);
  checkpointAll();
  return { files, writer, commit, older };
}

it('P9: an older copy put over the database, in its inode, is noticed after a checkpoint, too', () => {
  const { files, commit, older } = checkpointedLedger();
  expect(commit('e')).toBe(5n);
  copyFileSync(older, files.database);
  expect(() => commit('f')).toThrow(/was overwritten while it was open/);
});

it('a half-written checkpoint is not taken for another database, and is compared again when it ends', () => {
  const { files, writer, commit, older } = checkpointedLedger();
  const whole = readFileSync(files.database);
  commit('e');
  writer.beginPass();
  // Any state in between: this process reads from the WAL what the database lacks.
  copyFileSync(older, files.database);
  expect(commit('f')).toBe(6n);
  writeFileSync(files.database, whole);
  const checkpointer = openWriteConnection(files.database);
  checkpoint(checkpointer, 'PASSIVE');
  checkpointer.close();
  expect(commit('g')).toBe(7n);
  writer.finishCheckpoint();
  copyFileSync(older, files.database);
  expect(() => commit('h')).toThrow(/was overwritten while it was open/);
});
