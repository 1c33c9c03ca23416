import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';
import { testFolder } from '../../support/processes/server-process.ts';
import { labs } from '../labs.ts';
import type { FaultRun } from './fault-run.ts';
import { faultRun } from './fault-run.ts';
import { Random } from './random.ts';
import { Tally } from './tally.ts';

const ROOT = new URL('../../..', import.meta.url).pathname;
const RUN: FaultRun = { lab: 'frame', rounds: 3, seed: 7, isLong: false };
const HELD = { asked: 12, acknowledged: 10, found: 10 };

afterEach(() => vi.unstubAllEnvs());

it('the environment decides the form, the rounds and the seed of a run', () => {
  for (const name of ['FAULTS', 'FAULTS_ROUNDS', 'FAULTS_SEED']) vi.stubEnv(name, '');
  const rounds = { short: 2, long: 200 };
  expect(faultRun('kill', rounds)).toEqual({ lab: 'kill', rounds: 2, seed: 1, isLong: false });
  vi.stubEnv('FAULTS', 'long');
  vi.stubEnv('FAULTS_SEED', '12');
  expect(faultRun('kill', rounds)).toEqual({ lab: 'kill', rounds: 200, seed: 12, isLong: true });
  vi.stubEnv('FAULTS_ROUNDS', '5');
  expect(faultRun('kill', rounds).rounds).toBe(5);
  vi.stubEnv('FAULTS_ROUNDS', 'many');
  expect(() => faultRun('kill', rounds)).toThrow('FAULTS_ROUNDS is many, and has to be a whole number');
});

it('a seed repeats its numbers, and another one has others', () => {
  expect(draw(new Random(7))).toEqual(draw(new Random(7)));
  expect(draw(new Random(7))).not.toEqual(draw(new Random(8)));
  const parent = new Random(7);
  const child = parent.fork();
  expect(draw(child)).not.toEqual(draw(parent));
});

it('random numbers cover their range evenly', () => {
  const random = new Random(1);
  const seen = new Map<number, number>();
  for (let i = 0; i < 10_000; i++) {
    const number = random.below(10);
    seen.set(number, (seen.get(number) ?? 0) + 1);
  }
  expect([...seen.keys()].toSorted()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  for (const times of seen.values()) expect(times).toBeGreaterThan(850);
  const heads = Array.from({ length: 10_000 }, () => random.chance(0.25)).filter(Boolean).length;
  expect(heads).toBeGreaterThan(2_300);
  expect(heads).toBeLessThan(2_700);
});

it('a tally throws if something was lost, if a control was not red, and if nothing was injected', () => {
  const lost = new Tally(RUN, 'lost');
  lost.inject('a kill');
  lost.count({ ...HELD, found: 9, lost: 1 });
  expect(() => lost.end()).toThrow('lost: 1 lost, 0 twice, 0 holes');

  const control = new Tally(RUN, 'control');
  control.inject('a kill');
  control.control('without fsync', false, 'nothing was lost');
  expect(() => control.end()).toThrow('control: the control "without fsync" was not red: nothing was lost');

  const idle = new Tally(RUN, 'idle');
  idle.inject('a kill', 0);
  expect(() => idle.end()).toThrow('idle: nothing was injected');
});

it('a tally that held is recorded with its file, its promises, its commit and the command that repeats it', () => {
  const folder = testFolder();
  vi.stubEnv('FAULTS_RECORD', folder);
  const tally = new Tally(RUN, 'P1 P4 to P6: what holds', { engine: 'PostgreSQL' });
  tally.inject('a kill', 2);
  tally.inject('a kill');
  tally.count(HELD);
  tally.count(HELD);
  tally.control('without fsync', true, '3 pairs\n are lost');
  tally.end(2);
  expect(JSON.parse(readFileSync(join(folder, 'frame/what-holds.json'), 'utf8'))).toEqual({
    lab: 'frame',
    test: 'P1 P4 to P6: what holds',
    file: 'test/faults/frame/frame.test.ts',
    engine: 'PostgreSQL',
    promises: 'P1 P4 to P6',
    // As many as there were; the command has those that were asked for.
    rounds: 2,
    seed: 7,
    date: expect.stringMatching(/^\d{4}-\d\d-\d\d$/),
    commit: expect.stringMatching(/^([0-9a-f]{9}|unknown)$/),
    command: 'make test-faults ARGS="frame --rounds 3 --seed 7"',
    injected: { 'a kill': 3 },
    counts: { asked: 24, acknowledged: 20, found: 20, lost: 0, twice: 0, holes: 0 },
    controls: { 'without fsync': '3 pairs are lost' },
  });
});

it('make test-faults --help has a line per lab, and an unknown lab is one line that names the known ones', () => {
  const { stdout, status } = run('--help');
  expect(status).toBe(0);
  for (const { name, what } of labs()) {
    expect(stdout).toMatch(new RegExp(`^  ${name} +`, 'm'));
    expect(stdout).toContain(what);
  }
  const names = labs().map(({ name }) => name);
  expect(run('kil')).toMatchObject({
    status: 2,
    stdout: '',
    stderr: `test-faults: no lab is called kil; the labs are: ${names.join(', ')}\n`,
  });
  expect(run('failover', '--seed', 'x').stderr).toMatch(/^test-faults: [^\n]+\n$/);
});

function draw(random: Random): number[] {
  return Array.from({ length: 100 }, () => random.between(1, 1000));
}

function run(...args: string[]) {
  return spawnSync(process.execPath, ['test/faults/run.ts', ...args], { cwd: ROOT, encoding: 'utf8' });
}
