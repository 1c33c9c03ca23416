import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { isJsonObject, isWhole, parseJson } from '../../../src/core/text/json-text.ts';

const MODULE = new URL('../../../src/core/text/json-text.ts', import.meta.url).href;

describe('JSON from elsewhere', () => {
  it.each([
    '{"a":[1,{"b":null}]}',
    ' "x" ',
    '1e3',
    '{"a":"\\\\","b":"\\"[[","__proto__":1}',
    `[${'[],'.repeat(101)}1]`,
    `[${'{},'.repeat(101)}1]`,
    `["a\\"${'['.repeat(101)}"]`,
  ])('%j is parsed as JSON.parse does', (text) => {
    expect(parseJson(text)).toEqual(JSON.parse(text));
  });

  it.each(['', '{', '{"a":"', '{"a":"\\', ']]]', '"\\\\"}'])('%j is refused as JSON.parse refuses it', (text) => {
    expect(() => parseJson(text)).toThrow(SyntaxError);
  });

  it('has 100 levels at most', () => {
    for (const [open, close] of [
      ['[', ']'],
      ['{"a":', '}'],
      ['{"\\"":[{"\\\\":', '}]}'],
    ] as const) {
      const levels = open.match(/[[{]/g)!.length;
      const nested = (times: number) => `${open.repeat(times)}1${close.repeat(times)}`;
      expect(parseJson(nested(Math.floor(100 / levels)))).toBeDefined();
      expect(() => parseJson(nested(Math.floor(100 / levels) + 1))).toThrow(RangeError);
    }
  });

  it('counts on behind an object or an array that has ended', () => {
    for (const ended of ['{}', '[]', '{"a":"b"}']) {
      expect(() => parseJson(`[${ended},${'['.repeat(100)}${']'.repeat(100)}]`)).toThrow(RangeError);
      expect(parseJson(`[${ended},${'['.repeat(99)}${']'.repeat(99)}]`)).toBeDefined();
    }
  });

  it.each([
    ['many', '[[['.repeat(50)],
    ['behind quotes', '\\"{'.repeat(50)],
    ['behind backslashes and quotes', '\\\\\\"]}'.repeat(50)],
  ])('counts no brackets in a string: %s', (_, note) => {
    const text = `{"note":"${note}"}`;
    expect(parseJson(text)).toEqual(JSON.parse(text));
  });

  it('shows a reviver how each number is written', () => {
    const digits = parseJson('{"a":[1.50,"2"]}', (_, value, context) =>
      typeof value === 'number' ? context?.source : value,
    );
    expect(digits).toEqual({ a: ['1.50', '2'] });
  });
});

describe('a JSON number', () => {
  it.each([
    '5',
    '-5',
    '10',
    '5.0',
    '5.00',
    '1e3',
    '1E3',
    '1e+3',
    '1.5e1',
    '12.50e1',
    '150e-1',
    '1500e-2',
    '0e-5',
    '0.0',
  ])('%s is whole', (source) => {
    expect(isWhole(source)).toBe(true);
  });

  it.each(['5.5', '-0.5', '10.01', '5.55', '0.10', '1.25e1', '1.05e1', '15e-1', '15E-1', '1e-10', '15e-10', '1.5e-1'])(
    '%s is not',
    (source) => {
      expect(isWhole(source)).toBe(false);
    },
  );
});

it('a JSON object is neither null nor an array', () => {
  expect([{}, { a: 1 }].map(isJsonObject)).toEqual([true, true]);
  expect([null, [], ['a'], 'text', 5, true, undefined].filter(isJsonObject)).toEqual([]);
});

// In a process of its own: the heap of this one has to stay whole.
it.each(['with a reviver', 'without'])('a long truncated text does not harm the heap, %s', async (name) => {
  const levels = name === 'without' ? 20_000 : 3;
  const script = `
    import { isJsonObject, isWhole, parseJson } from '${MODULE}';
    const text = '['.repeat(${levels}) + '1,'.repeat(100_000) + '{"a":{"b';
    const refused = [];
    for (let i = 0; i < 20; i++) {
      try { parseJson(text, ${name === 'without' ? undefined : '(key, value) => value'}); } catch { refused.push(i); }
    }
    for (let i = 0; i < 3; i++) {
      gc();
      Array.from({ length: 100_000 }, (_, index) => String(index));
    }
    console.log(refused.length);
  `;
  const args = ['--expose-gc', '--input-type=module', '--eval', script];
  expect(await promisify(execFile)(process.execPath, args)).toEqual({ stdout: '20\n', stderr: '' });
});
