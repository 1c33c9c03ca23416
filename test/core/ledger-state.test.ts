import { afterEach, expect, it, vi } from 'vitest';
import { OrderError } from '../../src/core/errors.ts';
import { LedgerState } from '../../src/core/ledger-state.ts';

afterEach(() => {
  vi.useRealTimers();
});

it('counts from the first closing, through every later reason, until it opens', () => {
  vi.useFakeTimers();
  const state = new LedgerState();
  vi.advanceTimersByTime(2000);
  expect([state.isOpen, state.closedSeconds, state.reason]).toEqual([false, 2, 'opening']);
  state.opened();
  vi.advanceTimersByTime(1000);
  expect([state.isOpen, state.closedSeconds]).toEqual([true, 0]);
  state.closed('disk error', 'a commit failed: /data/orders.db');
  vi.advanceTimersByTime(1000);
  state.closed('disk full', '/data is full');
  vi.advanceTimersByTime(500);
  expect([state.isOpen, state.closedSeconds, state.reason, state.why]).toEqual([
    false,
    1.5,
    'disk full',
    '/data is full',
  ]);
});

it('explains the consequences of being closed, and nothing else', () => {
  const state = new LedgerState();
  state.closed('disk full', '/data/orders.db is full');
  const cause = new Error('the inside');
  const unknown = new OrderError('OUTCOME_UNKNOWN', 'perhaps', { fields: { request_id: 'x' }, cause });
  expect(state.explain(unknown)).toMatchObject({
    reason: 'OUTCOME_UNKNOWN',
    message: 'perhaps (the ledger is closed: disk full)',
    fields: { request_id: 'x' },
    cause,
  });
  for (const reason of ['CANCELLED', 'QUEUE_FULL', 'LEDGER_REOPENING'] as const) {
    expect(state.explain(new OrderError(reason, 'no')).message).toBe('no (the ledger is closed: disk full)');
  }
  const bad = new OrderError('STORE_ID_INVALID', 'no');
  expect(state.explain(bad)).toBe(bad);
  state.opened();
  expect(state.explain(unknown)).toBe(unknown);
});
