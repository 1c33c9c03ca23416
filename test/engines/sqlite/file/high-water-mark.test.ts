import fs, { existsSync, fstatSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { expect, it, onTestFinished, vi } from 'vitest';
import { INT64_MAX } from '../../../../src/core/allocation.ts';
import { openWriteConnection } from '../../../../src/engines/sqlite/file/connection.ts';
import { takeFence } from '../../../../src/engines/sqlite/file/fence.ts';
import type { Base } from '../../../../src/engines/sqlite/file/high-water-mark.ts';
import { HighWaterMark, readBase, readMark } from '../../../../src/engines/sqlite/file/high-water-mark.ts';
import { locateLedger } from '../../../../src/engines/sqlite/file/ledger-files.ts';
import { packRequests } from '../../../../src/engines/sqlite/threads/packed-batch.ts';
import { Writer } from '../../../../src/engines/sqlite/threads/writer.ts';
import { testFolder } from '../../../support/processes/server-process.ts';

const LEDGER_ID = '5f1e6c2e-8f53-4c39-a8f6-0f2f8d9d3c11';

function markPath(): string {
  return join(testFolder(), 'orders.db.mark');
}

/** The bytes of a mark file. */
function encoded(lastOrderId: bigint): string {
  const path = markPath();
  new HighWaterMark(path, { ledgerId: LEDGER_ID, lastOrderId }).close();
  return readFileSync(path, 'latin1');
}

function base(lastOrderId: bigint): Base {
  return { ledgerId: LEDGER_ID, lastOrderId, generation: 7, bytes: 28672, salts: '00000002abcdef01' };
}

function readBaseBack(bytes: string): Base | undefined {
  const path = markPath();
  writeFileSync(path, bytes, 'latin1');
  return readBase(path);
}

function readBack(bytes: string): ReturnType<typeof readMark> {
  const path = markPath();
  writeFileSync(path, bytes, 'latin1');
  return readMark(path);
}

it.each([0n, 1n, 9007199254740993n, INT64_MAX])('P9: a mark of %s is read back unchanged', (lastOrderId) => {
  const path = markPath();
  const mark = new HighWaterMark(path, { ledgerId: LEDGER_ID, lastOrderId: 0n });
  mark.write({ ledgerId: LEDGER_ID, lastOrderId });
  expect(readMark(path)).toEqual({ ledgerId: LEDGER_ID, lastOrderId });
  mark.close();
});

it('P9: a mark is on disk once created, and after each write', () => {
  const path = markPath();
  expect(readMark(path)).toBeUndefined();
  expect(existsSync(path)).toBe(false);
  const mark = new HighWaterMark(path, { ledgerId: LEDGER_ID, lastOrderId: 41n });
  for (const lastOrderId of [41n, 42n, 1000n]) {
    mark.write({ ledgerId: LEDGER_ID, lastOrderId });
    expect(readMark(path)).toEqual({ ledgerId: LEDGER_ID, lastOrderId });
  }
  mark.close();
});

it('P9: a mark truncated at any byte is torn', () => {
  const bytes = encoded(1234567n);
  for (let length = 0; length < bytes.length; length++) {
    expect(readBack(bytes.slice(0, length)), `the first ${length} bytes`).toBe('torn');
  }
});

it('P9: a mark with any one wrong byte is torn', () => {
  const bytes = encoded(1234567n);
  for (let i = 0; i < bytes.length; i++) {
    const wrong = String.fromCharCode(bytes.charCodeAt(i) ^ 1);
    expect(readBack(bytes.slice(0, i) + wrong + bytes.slice(i + 1)), `byte ${i}`).toBe('torn');
  }
});

it('P9: a mark that is half of one write and half of the next is torn', () => {
  const before = encoded(1999999n);
  const after = encoded(2000000n);
  const numberEnds = before.indexOf(' crc32=');
  expect(readBack(after.slice(0, numberEnds) + before.slice(numberEnds))).toBe('torn');
  expect(readBack(before.slice(0, numberEnds) + after.slice(numberEnds))).toBe('torn');
});

it('P9: the first line of a mark is what the last release writes, byte for byte, whatever follows it', () => {
  const line = `order-numbers-mark-1 ledger_id=${LEDGER_ID} last_order_id=0000000000000000007 crc32=0f8443aa\n`;
  expect(encoded(7n)).toBe(line);
  for (const behind of ['x', encoded(8n), '\n', '\0'.repeat(500)]) {
    expect(readBack(line + behind)).toEqual({ ledgerId: LEDGER_ID, lastOrderId: 7n });
  }
  const path = markPath();
  new HighWaterMark(path, { ledgerId: LEDGER_ID, lastOrderId: 7n }, base(7n)).close();
  expect(readFileSync(path, 'latin1').slice(0, line.length)).toBe(line);
});

it('P9: the state of the database file alone is read back from the newest of two lines, whichever is torn', () => {
  const path = markPath();
  const mark = new HighWaterMark(path, { ledgerId: LEDGER_ID, lastOrderId: 9n }, base(1n));
  expect(readBase(path)).toEqual(base(1n));
  for (const lastOrderId of [2n, 3n, 4n, 5n]) {
    const before = readFileSync(path, 'latin1');
    mark.recordBase(base(lastOrderId));
    const after = readFileSync(path, 'latin1');
    expect(readBase(path)).toEqual(base(lastOrderId));
    expect(readMark(path)).toEqual({ ledgerId: LEDGER_ID, lastOrderId: 9n });
    // A power cut in the middle of the write: the new bytes up to somewhere, then the old ones.
    const firstNew = [...after].findIndex((byte, i) => byte !== before[i]);
    for (let i = firstNew; i < after.length; i += 7) {
      const torn = after.slice(0, i) + before.slice(i);
      expect([base(lastOrderId - 1n), base(lastOrderId)]).toContainEqual(readBaseBack(torn));
    }
  }
  mark.forgetBase();
  mark.close();
  expect(readBase(path)).toBeUndefined();
  expect(readFileSync(path, 'latin1')).toBe(encoded(9n));
});

it('P9: a base with any one wrong byte is not trusted', () => {
  const path = markPath();
  new HighWaterMark(path, { ledgerId: LEDGER_ID, lastOrderId: 9n }, base(1n)).close();
  const bytes = readFileSync(path, 'latin1');
  for (let i = encoded(9n).length; i < bytes.length; i++) {
    const wrong = String.fromCharCode(bytes.charCodeAt(i) ^ 1);
    expect(readBaseBack(bytes.slice(0, i) + wrong + bytes.slice(i + 1)), `byte ${i}`).toBeUndefined();
  }
});

it('P9: a mark of an unknown format is not trusted', () => {
  expect(readBack(encoded(7n).replace('mark-1', 'mark-2'))).toBe('torn');
});

it('P9: a torn mark of any length is rewritten', () => {
  const path = markPath();
  writeFileSync(path, 'x'.repeat(1000));
  new HighWaterMark(path, { ledgerId: LEDGER_ID, lastOrderId: 5n }).close();
  expect(readMark(path)).toEqual({ ledgerId: LEDGER_ID, lastOrderId: 5n });
});

/** Records each fsync, of any file. */
function spyOnFsync() {
  const spy = vi.spyOn(fs, 'fsyncSync');
  syncBuiltinESMExports();
  onTestFinished(() => {
    spy.mockRestore();
    syncBuiltinESMExports();
  });
  return spy;
}

it('P9: a mark that cannot be synced leaves no descriptor open', () => {
  const descriptors: number[] = [];
  spyOnFsync().mockImplementation((descriptor) => {
    descriptors.push(descriptor);
    throw new Error('EIO');
  });
  const path = markPath();
  for (let i = 0; i < 3; i++) {
    expect(() => new HighWaterMark(path, { ledgerId: LEDGER_ID, lastOrderId: 1n })).toThrow('EIO');
  }
  expect(descriptors).toHaveLength(3);
  for (const descriptor of descriptors) expect(() => fstatSync(descriptor)).toThrow(/EBADF/);
});

it.each(['complete', 'beside a reader'])('P9: the mark is synced at a checkpoint that is %s, and at close', (how) => {
  const files = locateLedger(join(testFolder(), 'orders.db'));
  const fence = takeFence(files);
  const writer = new Writer({ files, autoCreateStores: true, expected: undefined, lock: fence.identity });
  const reader = openWriteConnection(files.database);
  onTestFinished(() => {
    writer.close();
    fence.release();
    reader.close();
  });
  writer.open({ atStart: true });
  const commit = (requestId: string) => writer.commit(packRequests([{ storeId: 7n, requestId, count: 1, caller: '' }]));
  const synced: string[] = [];
  const fsync = fs.fsyncSync;
  spyOnFsync().mockImplementation((descriptor) => {
    if (fstatSync(descriptor).ino === statSync(files.mark).ino) synced.push(String(readMarkEnd(files.mark)));
    fsync(descriptor);
  });
  commit('a');
  if (how === 'beside a reader') reader.exec('BEGIN; SELECT * FROM sqlite_schema');
  commit('b');
  expect(synced).toEqual([]);
  writer.finishCheckpoint();
  expect(synced).toEqual(['2']);
  commit('c');
  writer.close();
  expect(synced).toEqual(['2', '3']);
});

function readMarkEnd(path: string): bigint | undefined {
  const mark = readMark(path);
  return typeof mark === 'object' ? mark.lastOrderId : undefined;
}
