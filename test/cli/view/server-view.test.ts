import { stripVTControlCharacters } from 'node:util';
import { expect, it } from 'vitest';
import { serverFrame } from '../../../src/cli/view/server-view.ts';

const STATUS = {
  state: 'ledger closed',
  reason: 'an operator has to act',
  ledgerClosedSeconds: 1234.5,
  lastOrderId: 9223372036854775807n,
  waitingRequests: 10_000,
  activity: undefined,
  version: '1.2.3',
  engine: 'postgres',
  startTime: new Date(0),
} as const;

it.each([20, 30, 79])('no line of a frame is wider than a terminal of %i columns', (width) => {
  for (const step of [STATUS, { lost: 'no server answers: connect ECONNREFUSED 127.0.0.1:50051; retrying' }]) {
    const lines = serverFrame('orders.example.com:50051', step, width).map(stripVTControlCharacters);
    expect(lines.filter((line) => line.length > width)).toEqual([]);
    expect(lines.join('')).toContain('state ');
  }
});

it('what a server says moves no cursor', () => {
  const lines = serverFrame('a:1', { ...STATUS, reason: 'disk\u001B[2J full', version: '1\r\n2' }, 200);
  expect(lines.map(stripVTControlCharacters).join('').replaceAll(/[ -~]/g, '')).toBe('');
  expect(lines.join('')).not.toContain('\u001B[2J');
});
