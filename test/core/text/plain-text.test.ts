import { describe, expect, it } from 'vitest';
import {
  exactNumber,
  hasControlCharacter,
  parseBoolean,
  parseShare,
  printable,
  settingText,
  trimmed,
  wholeNumber,
} from '../../../src/core/text/plain-text.ts';

describe('a foreign text', () => {
  it.each([
    ['a\r\nb', 'a b'],
    ['\u2028a\u2029', ' a '],
    ['a\u0000\u001b\u007f\u0085b', 'a b'],
    ['a b–ä', 'a b–ä'],
  ])('%j is shown as one line', (text, line) => {
    expect(printable(text)).toBe(line);
    expect(hasControlCharacter(text)).toBe(text !== line);
    expect(hasControlCharacter(line)).toBe(false);
  });

  it.each(['\n', 'a\n', 'ab\n'])('%j has a control character, wherever it is', (text) => {
    expect(hasControlCharacter(text)).toBe(true);
  });
});

describe('a setting', () => {
  it('has no white space around it, and no control character inside', () => {
    expect(settingText(' \tsome value\r\n')).toBe('some value');
    expect(settingText('')).toBe('');
    expect(() => settingText('a\nb')).toThrow(
      'The value contains a line break or another control character; remove it.',
    );
  });

  it('reaches its parser without white space', () => {
    const parse = trimmed((text) => `<${text}>`);
    expect(parse('7\r')).toBe('<7>');
    expect(() => parse('7\u20287')).toThrow('control character');
  });
});

describe('a whole number', () => {
  const MOST = 2n ** 63n - 1n;
  it.each([
    ['1', 1n],
    ['9223372036854775807', MOST],
    ['07', 7n],
    [`${'0'.repeat(39)}7`, 7n],
  ])('%j is read exactly', (text, number) => {
    expect(exactNumber(text, 1n, MOST)).toBe(number);
  });

  it.each(['0', '9223372036854775808', '', 'a5', '5a', '-5', '5.0', '0x5', `${'0'.repeat(40)}7`])(
    '%j is none from 1 to 2^63-1',
    (text) => {
      expect(exactNumber(text, 1n, MOST)).toBeUndefined();
    },
  );

  it('of a setting is refused with the bounds', () => {
    const parse = wholeNumber(5, 70);
    expect([parse('5'), parse('70')]).toEqual([5, 70]);
    for (const text of ['4', '71', 'x']) expect(() => parse(text)).toThrow('Use a whole number from 5 to 70.');
  });
});

it('a boolean is true or false', () => {
  expect(parseBoolean('true')).toBe(true);
  expect(parseBoolean('false')).toBe(false);
  for (const text of ['', 'yes', 'TRUE', '1']) expect(() => parseBoolean(text)).toThrow('Use true or false.');
});

describe('a share', () => {
  it.each([
    ['1', 1],
    ['0.5', 0.5],
    ['0.25', 0.25],
    ['00.5', 0.5],
  ])('%j is one', (text, share) => {
    expect(parseShare(text)).toBe(share);
  });

  it.each(['0', '0.0', '1.01', '-0.5', '', 'x', '0x1', '5e-1', '.5'])('%j is none', (text) => {
    expect(() => parseShare(text)).toThrow('Use a number above 0 and up to 1, such as 0.5.');
  });
});
