import { expect, it } from 'vitest';
import { RotatingMap } from '../../../src/core/calls/rotating-map.ts';

it('behaves like a Map, however many entries come and go', () => {
  const map = new RotatingMap<number, { of: number }>();
  const model = new Map<number, { of: number }>();
  for (let i = 0; i < 30_000; i++) {
    const value = { of: i };
    map.add(i, value);
    model.set(i, value);
    // Most leave soon, each tenth stays long, and a few stay for good.
    for (const gone of leavingWith(i)) expect(map.delete(gone)).toBe(model.delete(gone));
    expect(map.size).toBe(model.size);
    expect([i, i - 10, i - 1_000].map((key) => map.get(key))).toEqual(
      [i, i - 10, i - 1_000].map((key) => model.get(key)),
    );
  }
  expect(Array.from(map.values())).toEqual(Array.from(model.values()));
});

function leavingWith(i: number): number[] {
  const early = i - 100;
  const late = i - 9_000;
  return [...(early % 10 === 0 ? [] : [early]), ...(late % 10 === 0 && late % 7_000 !== 0 ? [late] : [])];
}

it('may lose entries while it is read', () => {
  const map = new RotatingMap<number, number>();
  for (let i = 0; i < 10_000; i++) map.add(i, i);
  const seen = [];
  for (const value of map.values()) {
    map.delete(value);
    seen.push(value);
  }
  expect(seen).toHaveLength(10_000);
  expect(map.size).toBe(0);
});

it('has as many entries as were added and not deleted, in either of its maps', () => {
  const map = new RotatingMap<number, number>();
  for (let i = 0; i < 5000; i++) map.add(i, i);
  expect([map.size, map.get(0), map.get(4999), map.get(5000)]).toEqual([5000, 0, 4999, undefined]);
  expect([map.delete(0), map.delete(0), map.delete(4999), map.delete(4999), map.size]).toEqual([
    true,
    false,
    true,
    false,
    4998,
  ]);
  expect([...map.values()].at(0)).toBe(1);
  expect([...map.values()].at(-1)).toBe(4998);
});
