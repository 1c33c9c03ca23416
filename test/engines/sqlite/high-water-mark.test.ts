import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { INT64_MAX } from '../../../src/allocation.ts';
import { HighWaterMark, readMark } from '../../../src/engines/sqlite/high-water-mark.ts';
import { testFolder } from '../../support/server-process.ts';

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

function readBack(bytes: string): ReturnType<typeof readMark> {
  const path = markPath();
  writeFileSync(path, bytes, 'latin1');
  return readMark(path);
}

it.each([0n, 1n, 9007199254740993n, INT64_MAX])('P9: a mark of %s is read back as it was written', (lastOrderId) => {
  const path = markPath();
  const mark = new HighWaterMark(path, { ledgerId: LEDGER_ID, lastOrderId: 0n });
  mark.write({ ledgerId: LEDGER_ID, lastOrderId });
  expect(readMark(path)).toEqual({ ledgerId: LEDGER_ID, lastOrderId });
  mark.close();
});

it('P9: a mark is on file when it was made, and after each write', () => {
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

it('P9: a mark that was cut short is torn, at whatever byte', () => {
  const bytes = encoded(1234567n);
  for (let length = 0; length < bytes.length; length++) {
    expect(readBack(bytes.slice(0, length)), `the first ${length} bytes`).toBe('torn');
  }
});

it('P9: a mark with one wrong byte is torn, whichever it is', () => {
  const bytes = encoded(1234567n);
  for (let i = 0; i < bytes.length; i++) {
    const wrong = String.fromCharCode(bytes.charCodeAt(i) ^ 1);
    expect(readBack(bytes.slice(0, i) + wrong + bytes.slice(i + 1)), `byte ${i}`).toBe('torn');
  }
});

it('P9: a mark half of one write and half of the next is torn', () => {
  const before = encoded(1999999n);
  const after = encoded(2000000n);
  const numberEnds = before.indexOf(' crc32=');
  expect(readBack(after.slice(0, numberEnds) + before.slice(numberEnds))).toBe('torn');
  expect(readBack(before.slice(0, numberEnds) + after.slice(numberEnds))).toBe('torn');
});

it('P9: a mark with something behind it is torn', () => {
  expect(readBack(`${encoded(7n)}x`)).toBe('torn');
  expect(readBack(encoded(7n) + encoded(8n))).toBe('torn');
});

it('P9: a mark of a format that this version does not know is not believed', () => {
  expect(readBack(encoded(7n).replace('mark-1', 'mark-2'))).toBe('torn');
});

it('P9: a torn mark is written anew, whatever its length was', () => {
  const path = markPath();
  writeFileSync(path, 'x'.repeat(1000));
  new HighWaterMark(path, { ledgerId: LEDGER_ID, lastOrderId: 5n }).close();
  expect(readMark(path)).toEqual({ ledgerId: LEDGER_ID, lastOrderId: 5n });
});
