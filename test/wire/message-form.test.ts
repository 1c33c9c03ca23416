import { describe, expect, it } from 'vitest';
import { ORDER_NUMBER_SERVICE, readDescriptorSet } from '../../src/wire/descriptors.ts';
import { isMessage, messageFormOf } from '../../src/wire/message-form.ts';

const { methods } = readDescriptorSet().getService(ORDER_NUMBER_SERVICE)!;

/** An AllocateOrderRequest has store_id = 1 (int64) and request_id = 2 (string). */
const MESSAGES: readonly (readonly [name: string, hex: string])[] = [
  ['nothing', ''],
  ['a store', '0807'],
  ['both fields', '0807120161'],
  ['both, the other way round', '1201610807'],
  ['a store twice, of which the last counts', '08070808'],
  ['the largest store', '08ffffffffffffffff7f'],
  ['a number with needless bytes', '088780808000'],
  ['an unknown number', '08071801'],
  ['unknown 64 bits', '0807190000000000000000'],
  ['unknown bytes', '08071a020000'],
  ['unknown 32 bits', '08071d00000000'],
  ['a field with the highest number', '0807f8ffffff0f01'],
];

const OTHERS: readonly (readonly [name: string, hex: string])[] = [
  ['a field number 0', '080700'],
  ['a field number 0 with bytes', '08070200'],
  ['a cut tag', '080780'],
  ['a tag of 33 bits', '0807888080801001'],
  ['a tag of six bytes', '0807888080808000'],
  ['a cut number', '0887'],
  ['a number of eleven bytes', '0880808080808080808080808000'],
  ['a store as bytes', '0a020807'],
  ['a store of 64 bits', '090700000000000000'],
  ['a store of 32 bits', '0d07000000'],
  ['a request_id as a number', '08071001'],
  ['a text that is cut', '0807120361'],
  ['a text of 4 GiB', '080712ffffffff0f61'],
  ['a text with a negative length', '080712ffffffffffffffffff0161'],
  ['cut 64 bits', '080719000000'],
  ['cut 32 bits', '08071d0000'],
  ['a group', '08071b1c'],
  ['an end of a group', '08071c'],
  ['a type 6', '080716'],
  ['a type 7', '080717'],
];

describe('an AllocateOrderRequest', () => {
  it.each(MESSAGES)('may be %s', (_name, hex) => {
    expect(isRequest('AllocateOrder', hex)).toBe(true);
  });

  it.each(OTHERS)('is not %s', (_name, hex) => {
    expect(isRequest('AllocateOrder', hex)).toBe(false);
  });
});

it('the same goes for messages inside a message', () => {
  expect(isRequest('BatchAllocateOrders', '0a0208070a00')).toBe(true);
  expect(isRequest('BatchAllocateOrders', '0a03080700')).toBe(false);
  expect(isRequest('BatchAllocateOrders', '0a0308070a')).toBe(false);
  // The inner one ends behind the outer one, or a field of it does.
  expect(isRequest('BatchAllocateOrders', '0a040807')).toBe(false);
  expect(isRequest('BatchAllocateOrders', '0a03080780')).toBe(false);
  expect(isRequest('BatchAllocateOrders', '0a021a010807')).toBe(false);
});

it('a message that can be there once is there once', () => {
  expect(isRequest('CreateStore', '0a020807')).toBe(true);
  expect(isRequest('CreateStore', '0a0208070a020808')).toBe(false);
});

function isRequest(method: string, hex: string): boolean {
  const { input } = methods.find(({ name }) => name === method)!;
  return isMessage(Buffer.from(hex, 'hex'), messageFormOf(input));
}
