import { expect, it } from 'vitest';
import { killUnderLoad } from '../../../bench/peers/kill-under-load.ts';
import { hotRow } from '../../../bench/peers/postgres/hot-row.ts';
import { rowLock } from '../../../bench/peers/postgres/row-lock.ts';
import { testFolder } from '../../support/processes/server-process.ts';

it.each([hotRow, rowLock])('$name keeps what it answered, and a retry finds it, after kill -9', async (peer) => {
  const result = await killUnderLoad(peer, testFolder());
  expect(result).toMatchObject({ orders: 1000, lost: 0, repeats: 0, holes: 0 });
  expect(result.acknowledged).toBeGreaterThanOrEqual(500);
});
