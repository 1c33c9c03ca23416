import { expect, it } from 'vitest';
import type { SourceChange } from '../seeded/loading/planted-bug.ts';
import type { ServerTurns } from './turns/turns.ts';
import { turnsOf } from './turns/turns.ts';

/** Eight servers, from beside the table to the other side of a continent. */
const PUT_MS = [2, 2, 5, 10, 15, 20, 30, 40];
const LEAST_SHARE = 1 / (2 * PUT_MS.length);
const MOST_LOST = 20;
/** How long the servers may keep a command waiting. */
const MOVE_MS = 10_000;
const PLAN = { seed: 7, putMs: PUT_MS, callers: 4, seconds: 20 };

const NO_TURNS: SourceChange = {
  file: 'src/engines/dynamodb/log/turn-taking.ts',
  from: 'return this.#pauseUntil - performance.now();',
  to: 'return 0;',
};

it('servers of a table get their turns, however far away they are', async () => {
  const { servers: turns } = await turnsOf(PLAN);
  expect(Math.min(...sharesOf(turns))).toBeGreaterThanOrEqual(LEAST_SHARE);
  expect(Math.max(...turns.map(({ mostLost }) => mostLost))).toBeLessThanOrEqual(MOST_LOST);
});

it('control: without turns the nearest servers leave the others nothing', async () => {
  const { servers: turns } = await turnsOf({ ...PLAN, seconds: 2, changes: [NO_TURNS] });
  expect(Math.min(...sharesOf(turns))).toBe(0);
});

it.each([
  { putMs: [5], requestMs: 5 },
  { putMs: [5], requestMs: 100 },
  { putMs: [5, 5, 5], requestMs: 150 },
  { putMs: PUT_MS, requestMs: 200 },
])('P8: a command gets the turn that begins a move, beside busy servers: %o', async ({ putMs, requestMs }) => {
  const move = { afterMs: 3000, requestMs };
  const { heldMs } = await turnsOf({ ...PLAN, seconds: 60, putMs, move });
  expect(heldMs).toBeLessThan(MOVE_MS);
});

function sharesOf(turns: readonly ServerTurns[]): number[] {
  const all = turns.reduce((sum, { batches }) => sum + batches, 0);
  return turns.map(({ batches }) => batches / all);
}
