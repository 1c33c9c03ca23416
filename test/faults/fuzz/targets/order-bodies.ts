import { OrderError } from '../../../../src/core/errors.ts';
import { isJsonObject } from '../../../../src/core/text/json-text.ts';
import { postedOrders, storeIdOf, whyMalformed } from '../../../../src/server/http/malformed.ts';
import { printText, textsOf } from '../corpus.ts';
import type { FuzzTarget } from '../fuzzer.ts';
import { mutateJson } from '../mutate/json.ts';

const NAMES = ['store_id', 'storeId', 'request_id', 'count', '__proto__', 'STORE_ID', 'store_id '];

/** Bodies of the sample's endpoint. */
export const ORDER_BODY: FuzzTarget<string> = {
  name: 'order body',
  seeds: textsOf('order-bodies'),
  mutate: (input, other, random) => mutateJson(input, other, random, NAMES),
  print: (input) => `- ${printText(input)}`,
  check(input) {
    const storeId = storeIdOf(input);
    if (storeIdOf(` ${input}\n`) !== storeId) throw new Error('it is another order with white space around it');
    if (storeId === undefined) return withoutValues(whyMalformed(input).detail);
    if (!Number.isSafeInteger(storeId) || storeId < 1) throw new Error(`its store is ${storeId}`);
    const parsed = JSON.parse(input) as { readonly store_id: unknown };
    if (parsed.store_id !== storeId) throw new Error(`its store is ${storeId}, and JSON has another one`);
    return 'an order';
  },
};

/** Bodies of a batch. */
export const BATCH_BODY: FuzzTarget<string> = {
  name: 'batch body',
  seeds: textsOf('batch-bodies'),
  mutate: (input, other, random) => mutateJson(input, other, random, NAMES),
  print: (input) => `- ${printText(input)}`,
  check(input) {
    let orders;
    try {
      orders = postedOrders(input);
    } catch (error) {
      if (error instanceof OrderError && error.reason === 'BATCH_SIZE_INVALID') return error.reason;
      throw error;
    }
    const parsed = JSON.parse(input) as readonly unknown[];
    if (parsed.length !== orders.length) throw new Error(`${parsed.length} orders are ${orders.length}`);
    for (const [i, { storeId, why }] of orders.entries()) {
      if ((storeId === undefined) !== (why !== undefined)) throw new Error('an order is malformed without a reason');
      const order = parsed[i];
      // One order means the same alone and in a batch.
      const alone = isJsonObject(order) && storeId !== undefined ? order['store_id'] : undefined;
      if (storeId !== alone) throw new Error(`its store is ${storeId}, and JSON has another one`);
    }
    return `orders: ${orders.length > 3 ? 'many' : orders.length}, ${withoutValues(orders.map(({ why }) => why?.detail ?? 'good')[0])}`;
  },
};

function withoutValues(text = ''): string {
  return text.replaceAll(/\d+/g, '#');
}
