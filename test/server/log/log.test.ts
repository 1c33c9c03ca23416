import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createLogTo, STRANGER } from '../../../src/server/log/log.ts';
import { LogRepeats } from '../../../src/server/log/log-repeats.ts';
import { toText } from '../../../src/server/log/log-text.ts';

describe('LogRepeats', () => {
  let written: string[] = [];

  beforeEach(() => {
    vi.useFakeTimers();
    written = [];
  });

  afterEach(() => {
    vi.useRealTimers();
  });

  it('writes one line per second and kind, and reports how many were suppressed', () => {
    const repeats = new LogRepeats();
    for (let i = 0; i < 100; i++) add(repeats, 'refused', i);
    expect(written).toEqual(['0']);
    vi.advanceTimersByTime(1000);
    expect(written).toEqual(['0', '99 and 98 more']);
    add(repeats, 'refused', 100);
    expect(written).toHaveLength(2);
    vi.advanceTimersByTime(1000);
    expect(written).toEqual(['0', '99 and 98 more', '100']);
  });

  it('does not suppress the first line of another kind, nor of the same kind after a quiet second', () => {
    const repeats = new LogRepeats();
    add(repeats, 'refused', 1);
    add(repeats, 'slow', 2);
    vi.advanceTimersByTime(1000);
    add(repeats, 'refused', 3);
    expect(written).toEqual(['1', '2', '3']);
  });

  it('is bounded: the kinds beyond 1000 within a second are limited together', () => {
    const repeats = new LogRepeats();
    for (let i = 0; i < 3000; i++) add(repeats, `kind ${i}`, i);
    expect(written).toHaveLength(1001);
    vi.advanceTimersByTime(1000);
    expect(written.at(-1)).toBe('2999 and 1998 more');
  });

  it('reports at the end what was suppressed', () => {
    const repeats = new LogRepeats();
    for (let i = 0; i < 3; i++) add(repeats, 'refused', i);
    repeats.flush();
    vi.advanceTimersByTime(5000);
    expect(written).toEqual(['0', '2 and 1 more']);
  });

  function add(repeats: LogRepeats, kind: string, i: number): void {
    repeats.add({ kind, write: (suppressed) => written.push(suppressed > 0 ? `${i} and ${suppressed} more` : `${i}`) });
  }
});

describe('the lines of refused calls', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it('of one caller or stranger do not hide those of others', () => {
    const { refuse, seen } = startLog();
    for (let i = 0; i < 100; i++) refuse({ reason: 'TOKEN_INVALID', [STRANGER]: '192.0.2.1', peer: '192.0.2.1' });
    refuse({ reason: 'TOKEN_INVALID', [STRANGER]: '192.0.2.2', peer: '192.0.2.2' });
    for (const caller of ['shop', 'shop', 'other']) refuse({ reason: 'STORE_FORBIDDEN', caller });
    expect(seen()).toEqual(['192.0.2.1', '192.0.2.2', 'shop', 'other']);
  });

  it('of strangers in many networks are bounded, and hide no caller', () => {
    const { refuse, seen } = startLog();
    for (let i = 0; i < 5000; i++) refuse({ reason: 'TOKEN_INVALID', [STRANGER]: `10.0.${i >> 8}.${i & 255}` });
    expect(seen()).toHaveLength(101);
    refuse({ reason: 'TOKEN_INVALID', caller: 'shop' });
    refuse({ reason: 'STORE_FORBIDDEN', caller: 'shop' });
    expect(seen().slice(101)).toEqual(['shop', 'shop']);
  });
});

describe('a line for a terminal', () => {
  const base = { level: 'warn', time: '2026-11-26T07:10:11.123Z', pid: 1, hostname: 'h' };

  it('has the time, the level, the message and the fields', () => {
    const text = toText(JSON.stringify({ ...base, method: 'AllocateOrder', ms: 1.5, msg: 'slow call' }), false);
    expect(text).toBe('07:10:11.123 WARN  slow call method=AllocateOrder ms=1.5\n');
  });

  it('is one line, whatever a caller or an error says, without control characters', () => {
    const nasty = 'a\nb\u001b[2J\u0085\u2028"c"';
    const err = { type: 'Error', message: nasty, stack: `Error: ${nasty}\n    at f` };
    const text = toText(JSON.stringify({ ...base, request_id: nasty, list: [nasty], err, msg: nasty }), false);
    expect(text.trimEnd()).not.toMatch(/[\p{Cc}\u2028]/u);
    expect(text).toContain('err="Error: a\\nb');
  });

  it('has colors if they are wanted', () => {
    expect(toText(JSON.stringify({ ...base, msg: 'slow call' }), true)).toContain(
      '\u001b[33mWARN \u001b[39m slow call',
    );
  });

  it('accepts an unknown level', () => {
    expect(toText(JSON.stringify({ ...base, level: 'toString', msg: 'm' }), true)).toContain('TOSTRING');
  });
});

function startLog() {
  const lines: string[] = [];
  const { logger } = createLogTo('info', (line) => lines.push(line));
  return {
    refuse: (fields: object) => logger.info({ method: 'AllocateOrder', ...fields }, 'refused'),
    seen: () =>
      lines.map((line) => {
        const { caller, peer } = JSON.parse(line) as Readonly<Record<'caller' | 'peer', string | undefined>>;
        return caller ?? peer;
      }),
  };
}
